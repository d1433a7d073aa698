"""A DICOM node: receives studies, has them read by models, returns what they say, and can prove every step."""
