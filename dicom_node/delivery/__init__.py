"""Bringing results to a Destination and settling what it answered."""
