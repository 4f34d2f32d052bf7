from __future__ import annotations

from running_routers import engine, run

__all__ = ["engine", "run"]
