"""Examines candidates: asks both sides' pods the held-out questions before anybody is served."""
