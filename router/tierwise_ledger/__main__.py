"""The entry point of a ledger pod: ``python -m tierwise_ledger``."""

from __future__ import annotations

from tierwise_ledger.serving import main

if __name__ == "__main__":
    raise SystemExit(main())
