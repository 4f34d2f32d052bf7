"""The examinations of all Rollouts: started, remembered, told; each a task of its own."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from tierwise_core.errors import TierwiseError
from tierwise_core.examining.questions import Question
from tierwise_core.examining.sheet import NONE, OPEN, Sheet, Side, examination, told_status
from tierwise_core.revision import digest
from tierwise_core.rollout.green_state import GreenState
from tierwise_core.rollout.order import Order
from tierwise_core.rollout.situation import NOT_EXAMINED, Examination
from tierwise_core.rollout.stages import Stage
from tierwise_operator.examining.answering import Answering, Judge
from tierwise_operator.examining.asking import AskEngine, HttpAsk
from tierwise_operator.examining.reading import SetReader
from tierwise_operator.examining.sets import WantedSet, What

__all__ = ["Examined", "Examiner"]

READ_AGAIN_S: Final = 10.0
FETCH_AGAIN_S: Final = 60.0
PROGRESS_S: Final = 2.0
KEPT_MARKS: Final = 256
EXAMINES: Final = frozenset({Stage.PENDING, Stage.TRAINING, Stage.BENCHMARK})
DIGEST_LENGTH: Final = 16

log = structlog.get_logger("tierwise.examining")

Sets = Callable[[Order], Mapping[What, WantedSet]]
Key = tuple[str, What]


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of both examinations of a Rollout, and their wire form (empty: no set)."""

    benchmark: Examination = NOT_EXAMINED
    safety: Examination = NOT_EXAMINED
    benchmark_status: Mapping[str, Any] = field(default_factory=dict)
    safety_status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def questions(self) -> int | None:
        """How many held-out questions the benchmark has; None while nobody knows."""
        return self.benchmark_status.get("questions") or None


@dataclass(slots=True)
class _Job:
    """One examination: of which pods, with what, and what has been found."""

    wanted: WantedSet
    green: GreenState
    found: Examination
    status: Mapping[str, Any] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    told_at: float = float("-inf")

    @property
    def sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The revisions that are compared."""
        return self.green.blue_revisions, self.green.green_revisions

    def urls(self, side: Side) -> tuple[str, ...]:
        """Where a side answers now."""
        return self.green.blue_urls if side == "blue" else self.green.green_urls


class Examiner:
    """Examines the candidates of Rollouts; nothing here waits, everything is told when asked.

    ``reader`` reads the questions, ``sets`` says what a Rollout is examined with, ``changed`` hears
    the key of a Rollout about which something new is known, and ``places`` says where a Specialist
    answers, for judges.
    """

    def __init__(  # noqa: PLR0913 - the reader, and the means that a test replaces
        self,
        reader: SetReader,
        sets: Sets,
        changed: Callable[[str], None],
        engine: AskEngine | None = None,
        *,
        places: Callable[[str], Sequence[str]] = lambda _: (),
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reader = reader
        self._sets = sets
        self._changed = changed
        self._engine = engine or HttpAsk()
        self._places = places
        self._wait = wait
        self._jobs: dict[Key, _Job] = {}
        self._marks: OrderedDict[tuple[str, tuple[str, ...]], str] = OrderedDict()

    def examine(self, order: Order, green: GreenState) -> Examined:
        """Return what is known, and see to it that more will be.

        Questions are asked until the first share of the traffic has been given to green, and of
        the pods that serve at that time: other revisions are examined anew.
        """
        sets = self._sets(order)
        told = {what: self._one(order, green, wanted) for what, wanted in sets.items()}
        benchmark, safety = (told.get(what, (NOT_EXAMINED, {})) for what in ("benchmark", "safety"))
        return Examined(benchmark[0], safety[0], benchmark[1], safety[1])

    def forget(self, order_key: str) -> None:
        """Stop examining for a Rollout that is gone."""
        for key in [key for key in self._jobs if key[0] == order_key]:
            self._stop(self._jobs.pop(key))

    async def settle(self) -> None:
        """Wait until every examination that is under way has ended."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop, and close the connections."""
        for job in self._jobs.values():
            self._stop(job)
        await self.settle()
        await self._engine.close()
        await self._reader.close()

    def _one(
        self, order: Order, green: GreenState, wanted: WantedSet
    ) -> tuple[Examination, Mapping[str, Any]]:
        kept = order.status.get(wanted.what) or {}
        if not _is_examined_now(order):
            self.forget(order.key)
            return _kept(kept), kept
        job = self._jobs.get((order.key, wanted.what))
        if green.ready and green.blue_urls and green.green_urls:
            job = self._job(order, green, wanted, job)
            return job.found, job.status
        if job is not None:  # nobody is asked at an address that answers no more
            job.green = replace(job.green, blue_urls=green.blue_urls, green_urls=green.green_urls)
        why = f"the {wanted.what} waits until both sides serve"
        return Examination("Running", why=why), kept if job is None else job.status

    def _job(self, order: Order, green: GreenState, wanted: WantedSet, job: _Job | None) -> _Job:
        """Return the job of these pods and questions; it begins where there is none."""
        fresh = _Job(wanted, green, _BEGUN, order.status.get(wanted.what) or {})
        if job is not None and (job.wanted, job.sides) == (fresh.wanted, fresh.sides):
            job.green = green
            return job
        self._stop(job)
        fresh.task = asyncio.create_task(self._run(order, fresh), name=f"examine {order.key}")
        self._jobs[order.key, wanted.what] = fresh
        return fresh

    @staticmethod
    def _stop(job: _Job | None) -> None:
        if job is not None and job.task is not None:
            job.task.cancel()

    async def _run(self, order: Order, job: _Job) -> None:
        try:
            await self._examine(order, job, await self._questions(order, job))
        except Exception as error:  # whatever is wrong with one set, the others are examined
            log.exception("not examined", rollout=order.key, set=job.wanted.what)
            why = f"an error of tierwise itself, please report it: {error!r}"
            self._tell(order, job, Examination("Unreadable", why=why), {})

    async def _questions(self, order: Order, job: _Job) -> tuple[Question, ...]:
        """Read the set, again and again until it can be read."""
        while True:
            try:
                return await self._reader.read(job.wanted)
            except TierwiseError as error:
                if job.found.why != str(error):
                    found = Examination("Unreadable", why=str(error))
                    self._tell(order, job, found, {"state": found.state, "message": found.why})
            await self._wait(FETCH_AGAIN_S if job.wanted.source else READ_AGAIN_S)

    async def _examine(self, order: Order, job: _Job, questions: tuple[Question, ...]) -> None:
        content = _content(job.wanted, questions)
        sheet = self._known(
            content,
            job,
            Sheet.resumed(job.status, len(questions), digest((content, *job.sides), DIGEST_LENGTH)),
        )
        names = [question.name for question in questions]

        def note() -> None:
            now, sheet = time.monotonic(), answering.sheet
            if not sheet.complete and now - job.told_at < PROGRESS_S:
                return
            job.told_at = now
            found = examination(sheet, job.wanted.tolerance, job.wanted.what, answering.silence)
            status = told_status(sheet, found, job.wanted.tolerance, names)
            self._tell(order, job, found, status)

        answering = Answering(
            self._engine,
            order.specialist_key.partition("/")[2],
            questions,
            sheet,
            job.urls,
            job.wanted.concurrency,
            job.wanted.max_tokens,
            note,
            self._judge(job.wanted),
            self._wait,
        )
        note()
        await answering.run()
        self._remember(content, job, answering.sheet)
        log.info("examined", rollout=order.key, set=job.wanted.what, found=job.found.why)

    def _judge(self, wanted: WantedSet) -> Judge | None:
        if not wanted.judge:
            return None
        name = wanted.judge.partition("/")[2]
        return Judge(name, lambda: self._places(wanted.judge), wanted.instruction)

    def _tell(self, order: Order, job: _Job, found: Examination, status: Mapping[str, Any]) -> None:
        job.found, job.status = found, status
        self._changed(order.key)

    def _known(self, content: str, job: _Job, sheet: Sheet) -> Sheet:
        """Fill in what the same pods have answered in another examination."""
        blue, green = (self._marks.get((content, revisions), "") for revisions in job.sides)
        return replace(
            sheet,
            blue=blue if OPEN in sheet.blue and blue else sheet.blue,
            green=green if OPEN in sheet.green and green else sheet.green,
        )

    def _remember(self, content: str, job: _Job, sheet: Sheet) -> None:
        for revisions, marks in zip(job.sides, (sheet.blue, sheet.green), strict=True):
            if NONE not in marks:  # whoever was too busy may answer next time
                self._marks[content, revisions] = marks
        while len(self._marks) > KEPT_MARKS:
            self._marks.popitem(last=False)


def _is_examined_now(order: Order) -> bool:
    before = order.standing.before if order.standing is not None else None
    return order.stage in EXAMINES or before in EXAMINES


_BEGUN: Final = Examination("Running", why="the questions are being read")


def _content(wanted: WantedSet, questions: tuple[Question, ...]) -> str:
    """Return the digest of what is asked and how it is judged."""
    asked = [
        (one.messages, one.adapter, one.expected.check, one.expected.answers, one.expected.declines)
        for one in questions
    ]
    judged = (wanted.judge, wanted.instruction) if wanted.judge else ()
    return digest((asked, wanted.max_tokens, *judged), DIGEST_LENGTH)


def _kept(status: Mapping[str, Any]) -> Examination:
    """Read an examination back out of a Rollout's status."""
    state = status.get("state")
    if state not in {"Running", "Done", "Unreadable"}:
        return NOT_EXAMINED
    return Examination(state, loses=bool(status.get("loses")), why=str(status.get("message") or ""))
