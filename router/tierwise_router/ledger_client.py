"""A dispatcher's own way to the ledger: small questions, one connection, nobody waits for long."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx

from tierwise_router.shipping import LedgerAddress

__all__ = ["LedgerAwayError", "LedgerClient"]

TIMEOUT: Final = httpx.Timeout(2.0, connect=1.0)


class LedgerAwayError(Exception):
    """The ledger did not answer, or not as it should."""


class LedgerClient:
    """Asks the ledger; who shares one shares its connections.

    Args:
        address: the ledger's.
        transport: what carries the requests; for tests.
    """

    def __init__(
        self, address: LedgerAddress, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.address = address
        self._transport = transport
        self._http: httpx.AsyncClient | None = None

    async def ask(self, method: str, path: str, json: object = None) -> Mapping[str, Any] | None:
        """Give the ledger's answer; None where it says that there is no such thing.

        Raises LedgerAwayError.
        """
        try:
            answer = await self._client().request(
                method, path, json=json, headers=self.address.headers()
            )
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return None
            answer.raise_for_status()
            told = answer.json()
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise LedgerAwayError(str(error) or type(error).__name__) from error
        if not isinstance(told, dict):
            raise LedgerAwayError(f"what answers at {self.address.url} is no ledger")
        return told

    async def outcome(self, decision_id: str) -> Mapping[str, Any] | None:
        """Give what is recorded of a decision; None where it has not arrived.

        Raises LedgerAwayError.
        """
        return await self.ask("GET", f"/v1/outcomes/{decision_id}")

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _client(self) -> httpx.AsyncClient:
        # Made when somebody needs it: reading certificates takes longer than most requests.
        if self._http is None:
            self._http = httpx.AsyncClient(
                base_url=self.address.url, timeout=TIMEOUT, transport=self._transport,
                trust_env=False,
            )  # fmt: skip
        return self._http
