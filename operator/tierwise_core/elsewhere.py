"""What routers sent to the alternative: ``status.overflow``, read as what came since the last time.

Each router writes what it has sent since it began, all into the same place, so that a lost write is
made up for by its next one. Here the routers are kept apart and only the growth is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["NOTHING", "Elsewhere", "Told", "grown", "told"]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Tokens that others generated and read for a Specialist."""

    generated_tokens: float = 0.0
    prompt_tokens: float = 0.0

    def __add__(self, other: Elsewhere) -> Elsewhere:
        return Elsewhere(
            self.generated_tokens + other.generated_tokens,
            self.prompt_tokens + other.prompt_tokens,
        )


NOTHING = Elsewhere()


@dataclass(frozen=True, slots=True)
class Told:
    """What one router has sent since ``since``."""

    router: str
    since: datetime
    sent: Elsewhere


def told(status: Mapping[str, Any]) -> Told | None:
    """Read ``status.overflow``; None where nobody has written it.

    >>> told({"overflow": {"router": "r", "since": "2026-03-01T12:00:00Z", "generatedTokens": 9}})
    ... # doctest: +ELLIPSIS
    Told(router='r', since=datetime.datetime(2026, 3, 1, 12, 0, ...
    """
    said = status.get("overflow") or {}
    try:
        since = datetime.fromisoformat(said["since"])
    except (KeyError, TypeError, ValueError):
        return None
    sent = Elsewhere(float(said.get("generatedTokens") or 0), float(said.get("promptTokens") or 0))
    return Told(str(said.get("router") or ""), since, sent)


def grown(before: Told | None, now: Told, began: datetime) -> Elsewhere:
    """Return what a router sent since it was last heard, ``before``.

    A router that was never heard has sent all of it since we began to listen only if it began
    later than we did; what came before that is not known, and counts as nothing.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> first, later = Told("r", noon, Elsewhere(5.0)), Told("r", noon, Elsewhere(9.0))
    >>> grown(first, later, noon).generated_tokens, grown(None, later, noon).generated_tokens
    (4.0, 9.0)
    """
    if before is None or before.since != now.since:
        return now.sent if now.since >= began else NOTHING
    return Elsewhere(
        max(0.0, now.sent.generated_tokens - before.sent.generated_tokens),
        max(0.0, now.sent.prompt_tokens - before.sent.prompt_tokens),
    )
