"""Engines and dispatchers that a test starts are stopped after it."""

from running_routers import engine, run
from two_sides import tell

__all__ = ["engine", "run", "tell"]
