"""Questions that take several runs: sweeps, published tables, comparisons, replays."""
