"""Methods by datasets under one metric: ranks, differences to the best baseline, and whether mean ranks differ."""
