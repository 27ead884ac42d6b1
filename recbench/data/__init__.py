"""From raw files to tensors."""
