"""`python -m dicom_node.cli`: the command line without an installed script."""

from dicom_node.cli.commands import main

main()
