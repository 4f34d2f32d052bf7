"""What is known of each adapter's files, read once per source; failures are read again."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import structlog

from tierwise_core.adapter_checks import AdapterReading
from tierwise_core.errors import TierwiseError
from tierwise_core.specialist import ReadingFailed, ReadingPending
from tierwise_operator.adapter_sources import ReadAdapter

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
        self._entries: dict[str, _Entry] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def of(self, asker: str, sources: Collection[str]) -> dict[str, AdapterReading]:
        """Return what is known of the sources, and start to read what is not or was a failure."""
        self.forget(asker, but=sources)
        found = {}
        now = asyncio.get_running_loop().time()
        for source in sources:
            entry = self._entries.setdefault(source, _Entry())
            entry.askers.add(asker)
            if entry.task is None and entry.again_at is not None and now >= entry.again_at:
                entry.task = asyncio.create_task(
                    self._fill(source, entry), name=f"read adapter {source}"
                )
            found[source] = entry.result
        return found

    def forget(self, asker: str, but: Collection[str] = ()) -> None:
        """Drop what an asker no longer names; what nobody names is not kept."""
        for source in [source for source in self._entries if source not in but]:
            entry = self._entries[source]
            entry.askers.discard(asker)
            if not entry.askers:
                del self._entries[source]
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

    async def _fill(self, source: str, entry: _Entry) -> None:
        loop = asyncio.get_running_loop()
        async with self._slots:
            result, again = await self._attempt(source)
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

    async def _attempt(self, source: str) -> tuple[AdapterReading, float | None]:
        try:
            return await self._read(source), None
        except TierwiseError as error:
            log.warning("adapter not read", source=source, reason=error.reason, error=str(error))
            again = RETRY_SECONDS if error.retryable else RETRY_LATER_SECONDS
            return ReadingFailed(error.reason, str(error)), again
        except Exception as error:
            log.exception("reading an adapter failed unexpectedly", source=source)
            failed = ReadingFailed("SourceUnreadable", f"{source!r} could not be read: {error!r}")
            return failed, RETRY_LATER_SECONDS
