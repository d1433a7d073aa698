"""Networks, training and serving of image classifiers; knows arrays, not DICOM."""
