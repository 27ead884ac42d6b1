"""What several splits need."""
