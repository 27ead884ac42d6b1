"""Measurements of speed and accuracy against established implementations."""
