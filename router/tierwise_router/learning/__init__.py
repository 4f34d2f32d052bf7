"""Learning from outcomes: what the router fits off the path of requests, and the replay of logs."""
