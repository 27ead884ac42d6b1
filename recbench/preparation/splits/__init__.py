"""Ways to split a log into train, valid and test: one file each."""
