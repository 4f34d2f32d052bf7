"""What is known of each adapter's files, read once per source; failures are read again."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import structlog

from tierwise_core.adapter_checks import AdapterReading
from tierwise_core.errors import TierwiseError
from tierwise_core.specialist import ReadingFailed, ReadingPending
from tierwise_operator.adapter_sources import AdapterAsked, ReadAdapter

AT_ONCE = 8
RETRY_SECONDS = 30.0
RETRY_LATER_SECONDS = 60.0

log = structlog.get_logger("tierwise.adapters")


@dataclass(slots=True)
class _Entry:
    askers: set[str] = field(default_factory=set)
    result: AdapterReading = field(default_factory=ReadingPending)
    again_at: float | None = 0.0
    task: asyncio.Task[None] | None = None


class AdapterReadings:
    """What is known of each adapter; ``changed`` is called with each asker when that changes."""

    def __init__(self, read: ReadAdapter, changed: Callable[[str], None]) -> None:
        self._read = read
        self._changed = changed
        self._entries: dict[AdapterAsked, _Entry] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def of(self, asker: str, wanted: Collection[AdapterAsked]) -> dict[str, AdapterReading]:
        """Return what is known, by source, and start to read what is not or was a failure."""
        self.forget(asker, but=wanted)
        found = {}
        now = asyncio.get_running_loop().time()
        for asked in wanted:
            entry = self._entries.setdefault(asked, _Entry())
            entry.askers.add(asker)
            if entry.task is None and entry.again_at is not None and now >= entry.again_at:
                entry.task = asyncio.create_task(
                    self._fill(asked, entry), name=f"read adapter {asked.source}"
                )
            found[asked.source] = entry.result
        return found

    def forget(self, asker: str, but: Collection[AdapterAsked] = ()) -> None:
        """Drop what an asker no longer names; what nobody names is not kept."""
        for asked in [asked for asked in self._entries if asked not in but]:
            entry = self._entries[asked]
            entry.askers.discard(asker)
            if not entry.askers:
                del self._entries[asked]
                if entry.task is not None:
                    entry.task.cancel()

    @property
    def busy(self) -> bool:
        """Whether anything is being read."""
        return any(entry.task for entry in self._entries.values())

    async def settle(self) -> None:
        """Wait until nothing is being read."""
        while tasks := [entry.task for entry in self._entries.values() if entry.task]:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _fill(self, asked: AdapterAsked, entry: _Entry) -> None:
        loop = asyncio.get_running_loop()
        async with self._slots:
            result, again = await self._attempt(asked)
        before, entry.result = entry.result, result
        entry.again_at = None if again is None else loop.time() + again
        entry.task = None
        if again is not None:
            loop.call_later(again, self._remind, entry)
        if before != result:
            self._remind(entry)

    def _remind(self, entry: _Entry) -> None:
        for asker in entry.askers:
            self._changed(asker)

    async def _attempt(self, asked: AdapterAsked) -> tuple[AdapterReading, float | None]:
        source = asked.source
        try:
            return await self._read(asked), None
        except TierwiseError as error:
            log.warning("adapter not read", source=source, reason=error.reason, error=str(error))
            again = RETRY_SECONDS if error.retryable else RETRY_LATER_SECONDS
            return ReadingFailed(error.reason, str(error)), again
        except Exception as error:  # other people's files: told on the Specialist, others are read
            log.exception("reading an adapter failed unexpectedly", source=source)
            failed = ReadingFailed("SourceUnreadable", f"{source!r} could not be read: {error!r}")
            return failed, RETRY_LATER_SECONDS
