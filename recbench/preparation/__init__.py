"""From raw rows to prepared Parquet: labels, split, vocabularies, buckets, the leak certificate."""
