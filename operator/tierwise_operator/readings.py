"""Models' metadata, read once per source and kept; failures are read again after a while."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from tierwise_core.errors import TierwiseError
from tierwise_core.model_metadata import ModelMetadata, SizeOverrides
from tierwise_core.specialist import ModelSpec, Reading, ReadingFailed, ReadingPending

AT_ONCE = 8
RETRY_SECONDS = 30.0
RETRY_LATER_SECONDS = 300.0

Read = Callable[[str, str | None, SizeOverrides], Awaitable[ModelMetadata]]
Clock = Callable[[], float]
Key = tuple[str, str | None, SizeOverrides]

log = structlog.get_logger("tierwise.readings")


@dataclass(slots=True)
class _Entry:
    asked_at: float
    result: ModelMetadata | ReadingFailed | None = None
    again_at: float | None = None
    task: asyncio.Task[None] | None = None


class Readings:
    """What is known of each model; ``changed`` is called when that becomes something else."""

    def __init__(self, read: Read, changed: Callable[[], None], clock: Clock) -> None:
        self._read = read
        self._changed = changed
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def of(self, model: ModelSpec | None) -> Reading:
        """Return what is known of a model, and start reading if that is nothing or stale."""
        if model is None:
            return ReadingPending()
        key: Key = (model.source, model.revision, model.size)
        entry = self._entries.setdefault(key, _Entry(self._clock()))
        stale = entry.again_at is not None and self._clock() >= entry.again_at
        if entry.task is None and (entry.result is None or stale):
            entry.task = asyncio.create_task(self._fill(key, entry), name=f"read {model.source}")
        if entry.result is None:
            return ReadingPending(self._clock() - entry.asked_at)
        return entry.result

    def keep_only(self, models: list[ModelSpec]) -> None:
        """Forget models that no Specialist names any more."""
        wanted = {(model.source, model.revision, model.size) for model in models}
        for key in [key for key in self._entries if key not in wanted]:
            entry = self._entries.pop(key)
            if entry.task is not None:
                entry.task.cancel()

    def expire_failures(self) -> None:
        """Let every failed reading be tried again now."""
        for entry in self._entries.values():
            if entry.again_at is not None:
                entry.again_at = self._clock()

    @property
    def busy(self) -> bool:
        """Whether anything is being read."""
        return any(entry.task for entry in self._entries.values())

    async def settle(self) -> None:
        """Wait until nothing is being read."""
        while tasks := [entry.task for entry in self._entries.values() if entry.task]:
            await asyncio.gather(*tasks)

    async def _fill(self, key: Key, entry: _Entry) -> None:
        async with self._slots:
            result, again = await self._attempt(key)
        before, entry.result = entry.result, result
        entry.again_at = None if again is None else self._clock() + again
        entry.task = None
        if before != result:
            self._changed()

    async def _attempt(self, key: Key) -> tuple[ModelMetadata | ReadingFailed, float | None]:
        source, revision, overrides = key
        try:
            return await self._read(source, revision, overrides), None
        except TierwiseError as error:
            log.warning("model not read", source=source, reason=error.reason, error=str(error))
            again = RETRY_SECONDS if error.retryable else RETRY_LATER_SECONDS
            return ReadingFailed(error.reason, str(error)), again
        except Exception as error:
            log.exception("reading a model failed unexpectedly", source=source)
            message = f"spec.model.source: {source!r} could not be read: {error!r}"
            return ReadingFailed("SourceUnreadable", message), RETRY_LATER_SECONDS
