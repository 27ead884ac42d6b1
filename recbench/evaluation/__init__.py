"""Metrics as pure functions of tensors, and the search for each user's best items."""
