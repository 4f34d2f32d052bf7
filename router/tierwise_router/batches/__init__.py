"""Work that nobody waits for: batches of requests, and requests in the background."""
