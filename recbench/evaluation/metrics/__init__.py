"""The metrics: a new one is a class with a decorator in a file here."""
