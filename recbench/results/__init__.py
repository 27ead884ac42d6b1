"""Records of runs and what is made of them: the store, the leaderboard."""
