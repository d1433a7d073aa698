"""Readers of image sets, grouped splits and the pixel cache."""
