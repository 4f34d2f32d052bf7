"""``python -m pgserver``: have the programs ready, and say where they are."""

from __future__ import annotations

from pgserver.programs import ensure

if __name__ == "__main__":
    print(f"PostgreSQL: {ensure().folder}")
