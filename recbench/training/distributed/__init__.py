"""One run by several processes: what they share out, of training, of evaluation and of large tables."""
