"""Questions to others that are asked in the background, so that no pass ever waits for an answer.

A rollback is written within the pass that decides it, however slow the ledger is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

Q = TypeVar("Q")
A = TypeVar("A")

log = structlog.get_logger("tierwise.rollouts")


@dataclass(frozen=True, slots=True)
class Answer(Generic[A]):
    """What was answered to a question asked at ``asked_at`` (the event loop's clock)."""

    said: A
    asked_at: float


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer, and why."""

    why: str


@dataclass(slots=True)
class _Entry(Generic[Q, A]):
    question: Q
    known: Answer[A] | Silent | None = None
    ended_at: float = float("-inf")
    task: asyncio.Task[None] | None = None


class Inquiries(Generic[Q, A]):
    """One question for each asker, asked again after a rest; ``changed`` is told of each answer.

    ``ask`` raises where there is no answer: one of the ``failures`` that are known, or what is
    worth a traceback in the log. With no rest a question
    that was answered is not asked again; one that was not is asked again after ``retry_seconds``.
    """

    def __init__(
        self,
        ask: Callable[[Q], Awaitable[A]],
        changed: Callable[[str], None],
        *,
        failures: tuple[type[Exception], ...],
        rest_seconds: float | None = None,
        retry_seconds: float = 2.0,
    ) -> None:
        self._ask = ask
        self._changed = changed
        self._failures = failures
        self._rest_seconds = rest_seconds
        self._retry_seconds = retry_seconds
        self._entries: dict[str, _Entry[Q, A]] = {}

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for."""
        return any(entry.task is not None for entry in self._entries.values())

    def about(self, asker: str, question: Q) -> Answer[A] | Silent | None:
        """Return the last answer to this very question, and ask when its time has come.

        None as long as nobody has answered or failed to.
        """
        entry = self._entries.get(asker)
        if entry is None or entry.question != question:
            self.forget(asker)
            entry = self._entries[asker] = _Entry(question)
        if entry.task is None and self._is_due(entry):
            entry.question = question
            entry.task = asyncio.create_task(self._inquire(asker, entry), name=f"ask {asker}")
        return entry.known

    def forget(self, asker: str) -> None:
        """Drop an asker; what it asked for is not waited for any more."""
        entry = self._entries.pop(asker, None)
        if entry is not None and entry.task is not None:
            entry.task.cancel()

    def expire(self) -> None:
        """Ask again at the next occasion what would be asked again later."""
        for entry in self._entries.values():
            entry.ended_at = float("-inf")

    async def settle(self) -> None:
        """Wait for all answers that are under way."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Ask nothing any more."""
        for asker in list(self._entries):
            self.forget(asker)

    def _is_due(self, entry: _Entry[Q, A]) -> bool:
        if entry.known is None:
            return True
        rest = self._rest_seconds
        if isinstance(entry.known, Silent):
            rest = self._retry_seconds
        now = asyncio.get_running_loop().time()
        return rest is not None and now - entry.ended_at >= rest

    async def _inquire(self, asker: str, entry: _Entry[Q, A]) -> None:
        loop = asyncio.get_running_loop()
        asked_at, before = loop.time(), entry.known
        try:
            entry.known = Answer(await self._ask(entry.question), asked_at)
        except Exception as error:  # no answer is an answer: whoever asked holds
            entry.known = Silent(str(error) or repr(error))
            if not isinstance(before, Silent):
                odd = None if isinstance(error, self._failures) else error
                log.warning("no answer", asker=asker, error=entry.known.why, exc_info=odd)
        finally:
            entry.ended_at, entry.task = loop.time(), None
        self._changed(asker)
