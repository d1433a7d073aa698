"""Networks of the papers, built by name in ``models.catalog``."""
