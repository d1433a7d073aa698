"""What the commands of ``dicom-node models`` do."""
