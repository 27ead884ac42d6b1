"""One run from its settings to its record: train, validate, evaluate, export."""
