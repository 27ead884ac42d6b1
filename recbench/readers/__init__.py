"""Readers of raw files: one module per raw format, and the contract in `base`."""
