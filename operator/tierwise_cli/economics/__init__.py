"""`tierwise economics`: what to buy, run, move or tune, from a YAML file or the live ledger."""

from __future__ import annotations

from tierwise_cli.economics.commands import economics

__all__ = ["economics"]
