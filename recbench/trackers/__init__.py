"""Where people watch runs: services and files that get the curve, the settings and the final numbers of a run."""
