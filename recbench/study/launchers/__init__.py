"""Where runs are trained: a file for each value of `--launcher`."""
