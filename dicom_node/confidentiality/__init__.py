"""De-identification of what leaves: PS3.15 Annex E."""
