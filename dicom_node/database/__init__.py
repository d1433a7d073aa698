"""The database: what is true. All SQL of the node is in this package."""
