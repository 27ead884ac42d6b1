"""Pictures of runs. What each shows is computed by one function and drawn by another."""
