"""One examination under way: both sides are asked, side by side, until every question is marked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tierwise_core.adapters import served_name
from tierwise_core.examining.checking import is_right
from tierwise_core.examining.questions import Question
from tierwise_core.examining.sheet import NONE, RIGHT, WRONG, Sheet, Side
from tierwise_operator.examining.asking import (
    Asked,
    AskEngine,
    EngineBusyError,
    EngineDeclinedError,
)

__all__ = ["Answering"]

TRIES: Final = 6
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 15.0
SIDES: Final[tuple[Side, Side]] = ("blue", "green")

Urls = Callable[[Side], Sequence[str]]


@dataclass(slots=True)
class Answering:
    """Asks what is open on a sheet; ``urls`` says where each side answers at this moment.

    ``noted`` hears of each new mark. A side without pods is waited for: whether it ever comes back
    is for the rollout to decide.
    """

    engine: AskEngine
    model: str
    questions: Sequence[Question]
    sheet: Sheet
    urls: Urls
    concurrency: int
    max_tokens: int
    noted: Callable[[], None]
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    _turns: Mapping[Side, Iterator[int]] = field(
        default_factory=lambda: {side: count() for side in SIDES}
    )

    async def run(self) -> None:
        """Ask everything that is open."""
        async with asyncio.TaskGroup() as group:
            for side in SIDES:
                open_ones = iter(self.sheet.open(side))
                for _ in range(self.concurrency):
                    group.create_task(self._work(side, open_ones))

    async def _work(self, side: Side, open_ones: Iterator[int]) -> None:
        for number in open_ones:
            mark = await self._mark(side, self.questions[number])
            self.sheet = self.sheet.marked(side, number, mark)
            self.noted()

    async def _mark(self, side: Side, question: Question) -> str:
        model = served_name(self.model, question.adapter) if question.adapter else self.model
        asked = Asked(model, question.messages, self.max_tokens)
        pause = FIRST_PAUSE_S
        for _ in range(TRIES):
            try:
                text = await self.engine.ask(await self._url(side), asked)
            except EngineBusyError:
                await self.wait(pause)
                pause = min(LONGEST_PAUSE_S, 2 * pause)
            except EngineDeclinedError:
                return NONE
            else:
                return RIGHT if is_right(text, question.expected) else WRONG
        return NONE

    async def _url(self, side: Side) -> str:
        """Return where to ask next, each pod in its turn."""
        while not (urls := self.urls(side)):
            await self.wait(FIRST_PAUSE_S)
        return urls[next(self._turns[side]) % len(urls)]
