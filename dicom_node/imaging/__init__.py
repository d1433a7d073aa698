"""DICOM pixels to arrays with spacing and orientation, decoded where a broken file can hurt nobody."""
