"""The way to the ledger's leases: one small request at a time, never on a request's own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from tierwise_router.shipping import LedgerAddress

__all__ = ["LeaseDesk", "LeaseError"]

PATH: Final = "/v1/budgets/leases"
TIMEOUT: Final = httpx.Timeout(2.0, connect=1.0)


class LeaseError(Exception):
    """The ledger did not answer, or not as it should."""


class LeaseDesk:
    """Asks the ledger for leases in the name of one dispatcher.

    Args:
        address: the ledger's.
        transport: what carries the requests; for tests.
    """

    def __init__(
        self, address: LedgerAddress, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._address = address
        self._transport = transport
        self._http: httpx.AsyncClient | None = None

    async def ask(self, holder: str, asks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Ask, and give the ledger's answer; raises LeaseError."""
        try:
            answer = await self._client().post(
                PATH, json={"holder": holder, "asks": asks}, headers=self._address.headers()
            )
            answer.raise_for_status()
            told = answer.json()
            if not isinstance(told, dict) or not isinstance(told.get("leases"), list):
                raise LeaseError(f"what answers at {self._address.url} is no ledger")
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise LeaseError(str(error) or type(error).__name__) from error
        return told

    async def close(self) -> None:
        """Let go of the connection."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _client(self) -> httpx.AsyncClient:
        # Made when somebody needs it: reading certificates takes longer than most requests.
        if self._http is None:
            self._http = httpx.AsyncClient(
                base_url=self._address.url, timeout=TIMEOUT, transport=self._transport,
                trust_env=False,
            )  # fmt: skip
        return self._http
