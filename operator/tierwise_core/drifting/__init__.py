"""Drift: a model that serves is no longer as useful as it was, and what follows from that."""
