"""The ledger, as the watch over drift asks it: what was done, and what can be learnt from it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

import httpx

from tierwise_core.drifting.training_job import MOST_BYTES
from tierwise_core.rollout.counted import Counted
from tierwise_operator.rolling.ledger import LedgerClient, LedgerError, SumsOf

__all__ = ["Lessons", "Pairs", "PairsClient"]

EXPORT_S: Final = 300.0
LEARNT_FROM: Final = "30d"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Preference pairs as JSON lines, the newest of ``known`` ones, as many as fit (``count``)."""

    text: str
    count: int
    known: int


class Lessons(Protocol):
    """What is asked of the ledger."""

    async def sums(self, asked: SumsOf) -> Counted:
        """Return what revisions did.

        Raises:
            LedgerError: there is no answer.
        """
        ...

    async def pairs(self, specialist: str) -> Pairs:
        """Return the preference pairs of a Specialist.

        Raises:
            LedgerError: there is no answer.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class PairsClient(LedgerClient):
    """Asks one ledger, pairs included."""

    async def pairs(self, specialist: str) -> Pairs:
        """Return the newest pairs that a ConfigMap holds; they are read line by line."""
        taken: deque[str] = deque()
        size = known = 0
        query = {"specialist": specialist, "since": LEARNT_FROM}
        try:
            async with self._http.stream(
                "GET", "/v1/export/dpo", params=query, headers=self._headers(), timeout=EXPORT_S
            ) as answer:
                if answer.status_code != HTTPStatus.OK:
                    said = (await answer.aread())[:300].decode(errors="replace")
                    raise LedgerError(f"/v1/export/dpo answered {answer.status_code}: {said}")
                async for line in answer.aiter_lines():
                    if not line.strip():
                        continue
                    known += 1
                    taken.append(line)
                    size += len(line.encode()) + 1
                    while size > MOST_BYTES:
                        size -= len(taken.popleft().encode()) + 1
        except httpx.HTTPError as error:
            raise LedgerError(f"/v1/export/dpo: {error!r}") from error
        return Pairs("".join(f"{line}\n" for line in taken), len(taken), known)
