"""A router whose sorter has a candidate beside it, and the journal that both are written into."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dispatchers import Running, route
from fake_engine import FakeEngine, Script

from tierwise_core.decision_record import DecisionRecord
from tierwise_core.late_verdict import Verdict
from tierwise_core.route_split import Split
from tierwise_core.route_table import Endpoint, Route
from tierwise_router.journal import Journal
from tierwise_router.journal_files import Marks, tail

__all__ = ["Tell", "TwoSides", "tell"]


@dataclass(slots=True)
class TwoSides:
    """A router with a sorter of revision ``rev-b`` and its candidate, ``rev-g``."""

    router: Running
    blue: FakeEngine
    green: FakeEngine
    directory: Path

    async def rows(self, marks: Marks | None = None) -> list[dict[str, Any]]:
        """Wait for what runs beside the requests and read the journal, from the marks on."""
        await self.router.app.unseen.settled()
        journal = self.router.dispatcher.journal
        assert journal is not None
        await asyncio.to_thread(journal.flush)
        return list(tail(self.directory, Marks() if marks is None else marks))

    async def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in await self.rows() if row["kind"] == kind]

    async def shadows(self) -> list[DecisionRecord]:
        records = map(DecisionRecord.of, await self.of_kind("decision"))
        return [record for record in records if record.is_shadow]

    async def verdicts(self) -> list[Verdict]:
        return [Verdict.of(row) for row in await self.of_kind("verdict")]


Tell = Callable[..., Awaitable[TwoSides]]


@pytest.fixture
def tell(
    engine: Callable[[Script], Awaitable[FakeEngine]],
    run: Callable[..., Awaitable[Running]],
    tmp_path: Path,
) -> Tell:
    """Start one: how blue answers and how green, other routes, and what is special of the sorter.

    Unless told otherwise the candidate answers all requests unseen.
    """

    async def start(blue: Script, green: Script, *others: Route, **changes: Any) -> TwoSides:
        one, other = await engine(blue), await engine(green)
        endpoints = (
            Endpoint(one.url, "rev-b", "pod-0", "small"),
            Endpoint(other.url, "rev-g", "pod-1", "small", "green"),
        )
        given = {"split": Split("sorter-v2", 0, 100), **changes}
        router = await run(route("sorter", endpoints=endpoints, **given), *others)
        directory = tmp_path / "journal"
        router.dispatcher.journal = Journal(directory, router.dispatcher.ids.process, 1 << 26)
        return TwoSides(router, one, other, directory)

    return start
