"""``python -m browser``: have the browser ready, and say where it is."""

from __future__ import annotations

from browser import ensure

if __name__ == "__main__":
    print(f"browser: {ensure()}")
