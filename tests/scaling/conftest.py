"""The operator's stage, and engines and dispatchers that are stopped after each test."""

from running_routers import engine, run
from stage import stage

__all__ = ["engine", "run", "stage"]
