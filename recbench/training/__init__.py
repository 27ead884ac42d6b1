"""Training: from the settings of a run to its key, its model, the loop over epochs, and its record."""
