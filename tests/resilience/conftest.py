"""Engines and dispatchers that a test starts are stopped after it."""

from running_routers import engine, run

__all__ = ["engine", "run"]
