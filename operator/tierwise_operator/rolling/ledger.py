"""The ledger, as a rollout asks it: what both sides did, and that green's failures be kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from tierwise_core.errors import TierwiseError
from tierwise_core.rollout.counted import Counted

PATIENCE_SECONDS = 5.0
SHOWN = 300


class LedgerError(TierwiseError):
    """The ledger did not answer, or not what it should."""

    reason = "LedgerSilent"
    retryable = True


@dataclass(frozen=True, slots=True)
class SumsOf:
    """Whose sums: of these revisions of a Specialist, since a moment in seconds since the epoch.

    ``feedback`` false leaves people's words out, for answers that nobody has seen. Latencies are of
    the time since ``latency_since``; another such time is no other question.
    """

    specialist: str
    blue: tuple[str, ...]
    green: tuple[str, ...]
    since: float
    feedback: bool = True
    latency_since: float | None = field(default=None, compare=False)

    def query(self) -> dict[str, str]:
        """Return the question as the ledger reads it."""
        asked = {
            "specialist": self.specialist,
            "blue": ",".join(self.blue),
            "green": ",".join(self.green),
            "since": f"{self.since:.0f}",
        }
        if not self.feedback:
            asked["feedback"] = "false"
        if self.latency_since is not None:
            asked["latency_since"] = f"{self.latency_since:.0f}"
        return asked


@dataclass(frozen=True, slots=True)
class FailuresOf:
    """Which answers went back: those of green's revisions, from ``since`` on."""

    rollout: str
    specialist: str
    revisions: tuple[str, ...]
    since: float
    reason: str

    def body(self) -> dict[str, Any]:
        """Return what the ledger is told."""
        return {
            "rollout": self.rollout,
            "specialist": self.specialist,
            "revisions": list(self.revisions),
            "since": self.since,
            "reason": self.reason,
        }


class LedgerClient:
    """Speaks HTTP to one ledger.

    The token is read for each question: it may be renewed at any time.
    """

    def __init__(self, url: str, token_file: str = "") -> None:
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"), timeout=PATIENCE_SECONDS, trust_env=False
        )
        self._token_file = token_file

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def sums(self, asked: SumsOf) -> Counted:
        """Return the sums of both sides.

        Raises:
            LedgerError: there is no answer, or none that can be read.
        """
        answer = await self._call("GET", "/v1/rollouts/sums", params=asked.query())
        try:
            return Counted.read(answer)
        except (KeyError, TypeError, ValueError) as error:
            raise LedgerError(f"the ledger's sums cannot be read: {error!r}") from error

    async def keep_failures(self, failures: FailuresOf) -> int:
        """Have green's failures kept for the next training; return how many there are.

        Raises:
            LedgerError: they could not be kept.
        """
        answer = await self._call("POST", "/v1/rollouts/failures", json=failures.body())
        return int(answer.get("kept") or 0)

    async def _call(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        try:
            answer = await self._http.request(method, path, headers=self._headers(), **content)
        except httpx.HTTPError as error:
            raise LedgerError(f"{path}: {str(error) or repr(error)}") from error
        if answer.status_code != HTTPStatus.OK:
            raise LedgerError(f"{path} answered {answer.status_code}: {answer.text[:SHOWN]}")
        try:
            said = answer.json()
        except ValueError as error:
            raise LedgerError(f"{path} answered no JSON: {answer.text[:SHOWN]}") from error
        if not isinstance(said, Mapping):
            raise LedgerError(f"{path} answered no object: {answer.text[:SHOWN]}")
        return said

    def _headers(self) -> dict[str, str]:
        if not self._token_file:
            return {}
        try:
            token = Path(self._token_file).read_text().strip()
        except OSError as error:
            raise LedgerError(
                f"the ledger's token file {self._token_file} cannot be read: {error.strerror}"
            ) from error
        return {"Authorization": f"Bearer {token}"}
