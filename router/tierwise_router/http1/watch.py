"""Cancels whoever answers when the client hangs up."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, Self

from tierwise_router.exchange import ClientGoneError

__all__ = ["Watch", "Watched"]


class Watched(Protocol):
    """An exchange whose client may hang up; ``task`` is what is cancelled then."""

    gone: bool
    task: asyncio.Task[Any] | None

    @property
    def connection_task(self) -> asyncio.Task[None] | None:
        """The task that answers."""


class Watch:
    """Lets the task it was entered in be cancelled when the client hangs up, and says so."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Watched) -> None:
        self._exchange = exchange

    def __enter__(self) -> Self:
        if self._exchange.gone:
            raise ClientGoneError
        self._exchange.task = self._exchange.connection_task
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        exchange = self._exchange
        task, exchange.task = exchange.task, None
        if exchange.gone and kind is asyncio.CancelledError and task is not None:
            task.uncancel()
            raise ClientGoneError
