"""The leaderboard as one web page that needs no network, and a server that keeps it up to date."""
