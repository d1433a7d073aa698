"""Alembic migrations of the node's database, shipped as a package."""
