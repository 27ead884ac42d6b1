"""A benchmark harness for embedding-based recommendation with several kinds of implicit feedback."""

__version__ = "0.1.0"
