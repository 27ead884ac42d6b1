"""What is done with runs: the train and eval commands, baselines, presets, restored models, export."""
