"""What `benchmarks.gpu` measures, a module for each section."""
