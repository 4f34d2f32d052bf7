"""One examination under way: both sides are asked, side by side, until every question is marked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tierwise_core.adapters import served_name
from tierwise_core.examining.checking import is_right
from tierwise_core.examining.judging import JUDGE, judge_prompt, judge_word
from tierwise_core.examining.questions import Question
from tierwise_core.examining.sheet import NONE, RIGHT, WRONG, Sheet, Side
from tierwise_operator.examining.asking import (
    Asked,
    AskEngine,
    EngineBusyError,
    EngineDeclinedError,
)

__all__ = ["Answering", "Judge"]

TRIES: Final = 6
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 15.0
JUDGE_TOKENS: Final = 16
SIDES: Final[tuple[Side, Side]] = ("blue", "green")

Urls = Callable[[Side], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Judge:
    """Who judges free answers: the model's name, where it answers now, and what it is told."""

    model: str
    urls: Callable[[], Sequence[str]]
    instruction: str = ""


@dataclass(slots=True)
class Answering:
    """Asks what is open on a sheet; ``urls`` says where each side answers at this moment.

    ``noted`` hears of each new mark. A side without pods is waited for: whether it ever comes back
    is for the rollout to decide. ``silence`` tells why the first question without an answer has
    none; empty while all have one.
    """

    engine: AskEngine
    model: str
    questions: Sequence[Question]
    sheet: Sheet
    urls: Urls
    concurrency: int
    max_tokens: int
    noted: Callable[[], None]
    judge: Judge | None = None
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    silence: str = ""
    _turns: Mapping[Side, Iterator[int]] = field(
        default_factory=lambda: {side: count() for side in SIDES}
    )
    _judges: Iterator[int] = field(default_factory=count)

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
        text = await self._answer(lambda: self.urls(side), self._turns[side], asked)
        if text is None:
            return NONE
        if question.expected.check != JUDGE:
            return RIGHT if is_right(text, question.expected) else WRONG
        return RIGHT if await self._judged(question, text) else WRONG

    async def _judged(self, question: Question, text: str) -> bool:
        """Ask the judge until it answers: its silence is in nobody's favour."""
        judge = self.judge
        if judge is None:
            return False
        prompt = judge_prompt(judge.instruction, question.messages, question.expected.answers, text)
        asked = Asked(judge.model, ({"role": "user", "content": prompt},), JUDGE_TOKENS)
        said = await self._answer(judge.urls, self._judges, asked, tries=None)
        return judge_word((said or "").strip()) is True

    async def _answer(
        self,
        urls: Callable[[], Sequence[str]],
        turns: Iterator[int],
        asked: Asked,
        tries: int | None = TRIES,
    ) -> str | None:
        """Return an answer, each pod asked in its turn; None where there is none to be had."""
        pause, why = FIRST_PAUSE_S, ""
        for _ in count() if tries is None else range(tries):
            while not (known := urls()):
                await self.wait(FIRST_PAUSE_S)
            try:
                return await self.engine.ask(known[next(turns) % len(known)], asked)
            except EngineBusyError as error:
                why = str(error)
                await self.wait(pause)
                pause = min(LONGEST_PAUSE_S, 2 * pause)
            except EngineDeclinedError as error:
                why = str(error)
                break
        self.silence = self.silence or why
        return None
