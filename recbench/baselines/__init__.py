"""Reference recommenders that stand on the board beside the trained methods, one per file."""
