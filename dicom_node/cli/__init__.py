"""The one command line of the node."""
