"""From an offered Instance to a complete Study: may it come in, keep it, when is it whole."""
