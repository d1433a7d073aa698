"""`dicom-node up`: the whole node as one supervised process tree."""
