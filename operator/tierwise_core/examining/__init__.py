"""Held-out questions: reading them, judging answers to them, and what they come to."""
