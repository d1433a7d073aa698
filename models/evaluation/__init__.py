"""Metrics with intervals by group, calibration and operating points."""
