"""Recipes, augmentation and the resumable training loop."""
