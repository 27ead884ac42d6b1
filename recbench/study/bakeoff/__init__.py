"""`recbench bakeoff`: from a log to an answer in words."""
