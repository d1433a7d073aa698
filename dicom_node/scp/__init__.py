"""The door for DICOM peers: associations, C-ECHO, C-STORE."""
