"""What the node says in DICOM: the structured report and the heat map of an Analysis."""
