"""Models' metadata, read once per source and kept.

Failures are read again after a while. What a branch, a tag or a directory means may change, so it
is looked up again now and then, which costs one small request while it has not; what was read
stays in force until something else was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from tierwise_core.errors import TierwiseError
from tierwise_core.model_metadata import Demand, ModelMetadata, SizeOverrides
from tierwise_core.sizing import missing_without_metadata
from tierwise_core.specialist import Reading, ReadingFailed, ReadingPending, Specialist

AT_ONCE = 8
RETRY_SECONDS = 30.0
RETRY_LATER_SECONDS = 300.0
LOOK_AGAIN_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Which metadata is asked for.

    ``namespace`` is that of the Secret or the claim; it is empty where neither is needed, so that
    Specialists of several namespaces share what was read. ``told_by_hand`` says that the sizes in
    the spec suffice, so that nothing expensive need be done to read more.
    """

    source: str
    revision: str | None
    size: SizeOverrides
    namespace: str = ""
    secret_name: str = ""
    told_by_hand: bool = False


Read = Callable[[Asked], Awaitable[ModelMetadata]]
Clock = Callable[[], float]

log = structlog.get_logger("tierwise.readings")


def asked(specialist: Specialist) -> Asked | None:
    """Return what has to be read for a Specialist; None for one that runs elsewhere.

    >>> asked(Specialist("ai", "sorter", "u", 1)) is None
    True
    """
    model = specialist.model
    if model is None:
        return None
    tied = bool(model.secret_name) or model.source.startswith("pvc://")
    namespace = specialist.namespace if tied else ""
    by_hand = not missing_without_metadata(model.size, Demand(model.max_model_len_tokens))
    return Asked(model.source, model.revision, model.size, namespace, model.secret_name, by_hand)


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
        self._entries: dict[Asked, _Entry] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def of(self, specialist: Specialist) -> Reading:
        """Return what is known of a model, and start reading if that is nothing or stale."""
        key = asked(specialist)
        if key is None:
            return ReadingPending()
        entry = self._entries.setdefault(key, _Entry(self._clock()))
        stale = entry.again_at is not None and self._clock() >= entry.again_at
        if entry.task is None and (entry.result is None or stale):
            entry.task = asyncio.create_task(self._fill(key, entry), name=f"read {key.source}")
        if entry.result is None:
            return ReadingPending(self._clock() - entry.asked_at)
        return entry.result

    def keep_only(self, specialists: Iterable[Specialist]) -> None:
        """Forget models that no Specialist names any more."""
        wanted = {asked(specialist) for specialist in specialists}
        for key in [key for key in self._entries if key not in wanted]:
            entry = self._entries.pop(key)
            if entry.task is not None:
                entry.task.cancel()

    def expire_failures(self) -> None:
        """Let every failed reading be tried again now."""
        for entry in self._entries.values():
            if isinstance(entry.result, ReadingFailed):
                entry.again_at = self._clock()

    @property
    def busy(self) -> bool:
        """Whether anything is being read."""
        return any(entry.task for entry in self._entries.values())

    async def settle(self) -> None:
        """Wait until nothing is being read."""
        while tasks := [entry.task for entry in self._entries.values() if entry.task]:
            await asyncio.gather(*tasks)

    async def _fill(self, key: Asked, entry: _Entry) -> None:
        async with self._slots:
            result, again = await self._attempt(key)
        before = entry.result
        if isinstance(result, ReadingFailed) and isinstance(before, ModelMetadata):
            result = before  # an outage of the source must not unsettle who runs already
        entry.result = result
        entry.again_at = self._clock() + again
        entry.task = None
        if before != result:
            self._changed()

    async def _attempt(self, key: Asked) -> tuple[ModelMetadata | ReadingFailed, float]:
        try:
            return await self._read(key), LOOK_AGAIN_SECONDS
        except TierwiseError as error:
            log.warning("model not read", source=key.source, reason=error.reason, error=str(error))
            again = RETRY_SECONDS if error.retryable else RETRY_LATER_SECONDS
            return ReadingFailed(error.reason, str(error)), again
        except Exception as error:  # other people's files: told on the Specialist, others are read
            log.exception("reading a model failed unexpectedly", source=key.source)
            message = f"spec.model.source: {key.source!r} could not be read: {error!r}"
            return ReadingFailed("SourceUnreadable", message), RETRY_LATER_SECONDS
