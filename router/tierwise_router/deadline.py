"""How long a whole request may take, without a timer for each.

All requests have the same limit, so the oldest is the first that is due: one timer looks at it, and
nearly always finds that it has ended long ago.
"""

from __future__ import annotations

import asyncio
from typing import Self

from tierwise_router.errors import TIME_IS_UP, UpstreamTimeoutError

__all__ = ["Deadline", "Deadlines"]


class Deadlines:
    """The deadlines of one event loop."""

    __slots__ = ("_limit_s", "_loop", "_running", "_timer")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def limit(self) -> Deadline:
        """Bound what runs in the returned context."""
        return Deadline(self, self._running)

    def begin(self, deadline: Deadline) -> asyncio.Task[object] | None:
        """Count from now on; gives the task that is bound."""
        # Before CPython 3.12 whoever asks for the running loop asks the kernel for the process.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        self._running[deadline] = loop.time() + self._limit_s
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._look, loop)
        return asyncio.current_task(loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for deadline, due in list(self._running.items()):
            if due > now:
                self._timer = loop.call_later(due - now, self._look, loop)
                return
            del self._running[deadline]
            deadline.strike()

    @property
    def message(self) -> str:
        """Say what was exceeded."""
        return f"no answer was sure enough within {self._limit_s:g} s (TIERWISE_DEADLINE_S)"


class Deadline:
    """A context whose task is stopped when its time is up; raises UpstreamTimeoutError then."""

    __slots__ = ("_cancelling", "_deadlines", "_running", "_struck", "_task")

    def __init__(self, deadlines: Deadlines, running: dict[Deadline, float]) -> None:
        self._deadlines = deadlines
        self._running = running
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._struck = False

    def __enter__(self) -> Self:
        self._task = task = self._deadlines.begin(self)
        self._cancelling = task.cancelling() if task is not None else 0
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        self._running.pop(self, None)
        task, self._task = self._task, None
        if not self._struck or task is None:
            return
        # Somebody else may have cancelled it as well, and then means it.
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise UpstreamTimeoutError(self._deadlines.message) from None

    def strike(self) -> None:
        """Stop the task: its time is up."""
        self._struck = True
        if self._task is not None:
            self._task.cancel(TIME_IS_UP)
