"""Rules that need no database: which models read a study, where results go, and why."""
