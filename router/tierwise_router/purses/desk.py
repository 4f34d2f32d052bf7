"""The way to the ledger's leases: one small request at a time, never on a request's own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tierwise_router.ledger_client import LedgerAwayError, LedgerClient

__all__ = ["LeaseDesk"]

PATH: Final = "/v1/budgets/leases"


class LeaseDesk:
    """Asks the ledger for leases in the name of one dispatcher."""

    def __init__(self, ledger: LedgerClient) -> None:
        self._ledger = ledger

    async def ask(self, holder: str, asks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Ask, and give the ledger's answer; raises LedgerAwayError."""
        told = await self._ledger.ask("POST", PATH, {"holder": holder, "asks": asks})
        if told is None or not isinstance(told.get("leases"), list):
            raise LedgerAwayError(f"what answers at {self._ledger.address.url} is no ledger")
        return told

    async def close(self) -> None:
        """Let go of the connection."""
        await self._ledger.close()
