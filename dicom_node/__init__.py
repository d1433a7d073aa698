"""A DICOM node: receives studies, has models read them, returns what they say, proves every step."""
