"""Shadows: a share of the traffic is answered a second time, compared, and never shown."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

import orjson
import structlog

from tierwise_core.agreement import compare
from tierwise_core.policy_patterns import PatternsPolicy, Shadow
from tierwise_core.route_table import AUTO_MODEL
from tierwise_router.answers import answer_text
from tierwise_router.inside import AsgiApp, InProcessWork, ask_inside
from tierwise_router.journal import Journal
from tierwise_router.patterns.asking import Reply, read_reply
from tierwise_router.retold import retold
from tierwise_router.upstream.response import Headers

__all__ = ["Answer", "Shadows", "note_comparison", "sampled", "shown_text"]

log = structlog.get_logger(__name__)

PARTS: Final = 10_000
Note = Callable[[Mapping[str, Any]], None]
"""Takes the row of a comparison for the journal."""

Count = Callable[[str, str, float], None]
"""Counts a comparison: the shadow's name, what came of it, what it cost in USD."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that a client got: to which request, by whom, as which bytes.

    ``headers`` are those of the request that limit who may be asked.
    """

    path: str
    fields: Mapping[str, Any]
    model: str
    specialist: str
    decision: str
    body: bytes
    tenant_key: str = ""
    headers: Headers = field(default_factory=list)


@dataclass(slots=True)
class Shadows:
    """Runs the shadows of one dispatcher. Nobody waits for them; a full house leaves them out.

    Args:
        app: answers the second time.
        note: where comparisons are written down.
        count: where they are counted.
        clock: seconds since the epoch.
    """

    app: AsgiApp
    note: Note
    count: Count
    clock: Callable[[], float] = time.time
    _running: dict[asyncio.Task[None], str] = field(default_factory=dict)

    def wanted(self, policy: PatternsPolicy, decision: bytes) -> bool:
        """Tell whether some shadow may want the answer to this decision's request."""
        return any(sampled(shadow, decision) for shadow in policy.shadows)

    def answered(self, policy: PatternsPolicy, answer: Answer) -> None:
        """Take an answer that a client got, and have it shadowed by whom it concerns."""
        for shadow in policy.shadows:
            if not _concerns(shadow, answer) or not sampled(shadow, answer.decision.encode()):
                continue
            if Counter(self._running.values())[shadow.name] >= shadow.max_in_flight:
                self.count(shadow.name, "left_out", 0.0)
                continue
            task = asyncio.get_running_loop().create_task(self._run(shadow, answer))
            self._running[task] = shadow.name
            task.add_done_callback(self._forget)

    async def settled(self) -> None:
        """Wait for the shadows that run now."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def cancel(self) -> None:
        """Give up what runs: the pod ends."""
        for task in self._running:
            task.cancel()

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a shadow failed in a way nobody expected", error=repr(error))

    async def _run(self, shadow: Shadow, answer: Answer) -> None:
        began_at = self.clock()
        work = InProcessWork(answer.tenant_key, "background", shadow_of=answer.decision)
        told = await ask_inside(
            self.app, answer.path, answer.headers, _body(shadow, answer), work=work
        )
        reply = read_reply(told)
        row = _row(shadow, answer, reply)
        self.count(shadow.name, str(row["outcome"]), reply.cost_usd)
        self.note({**row, "at": began_at, "seconds": round(self.clock() - began_at, 6)})


def note_comparison(journal: Journal | None, row: Mapping[str, Any]) -> None:
    """Write a comparison into the journal, where there is one, and tell it in the log."""
    if journal is not None:
        journal.row(row)
    log.info("shadow compared", **{name: row[name] for name in row if name not in {"at", "kind"}})


def sampled(shadow: Shadow, decision: bytes) -> bool:
    """Tell whether a decision is in the shadow's share: the same answer whenever it is asked.

    >>> every = Shadow("all", of="auto", candidate="demo/new", percent=100)
    >>> sampled(every, b"d-1")
    True
    >>> some = Shadow("some", of="auto", candidate="demo/new", percent=25)
    >>> 200 < sum(sampled(some, b"d-%d" % number) for number in range(1000)) < 300
    True
    """
    drawn = crc32(shadow.name.encode() + b"\0" + decision) * 0x9E3779B1 % 2**32
    return drawn % PARTS < shadow.percent * PARTS / 100


def _concerns(shadow: Shadow, answer: Answer) -> bool:
    if shadow.of == AUTO_MODEL:
        return answer.model == AUTO_MODEL
    return shadow.of in {answer.specialist, answer.specialist.rpartition("/")[2]}


def _body(shadow: Shadow, answer: Answer) -> bytes:
    fields = {**answer.fields, "model": shadow.candidate, "stream": False}
    fields.pop("stream_options", None)
    return orjson.dumps(fields)


def _row(shadow: Shadow, answer: Answer, reply: Reply) -> dict[str, Any]:
    """Write a comparison down; the texts themselves are not kept."""
    row: dict[str, Any] = {
        "kind": "comparison",
        "shadow": shadow.name,
        "decision": answer.decision,
        "specialist": answer.specialist,
        "candidate": reply.specialist or shadow.candidate,
        "candidate_decision": reply.decision,
        "cost_usd": reply.cost_usd,
    }
    shown = shown_text(answer.body)
    if reply.failure or shown is None:
        why = reply.failure or "what the client got has no text"
        return {**row, "outcome": "failed", "reason": why}
    found = compare(shown, reply.text)
    agrees = found.agrees(shadow.agree_at)
    return {
        **row,
        "outcome": "agree" if agrees else "disagree",
        "score": round(found.score, 4),
        "compared": found.how,
    }


def shown_text(body: bytes) -> str | None:
    r"""Find the text in what a client got, whole or as a stream; None when there is none.

    >>> shown_text(b'{"choices":[{"message":{"content":"abcd"}}]}')
    'abcd'
    >>> shown_text(b': hello\n\ndata: {"choices":[{"delta":{"content":"ab"}}]}\n\n'
    ...            b'data: {"choices":[{"delta":{"content":"cd"}}]}\n\ndata: [DONE]\n\n')
    'abcd'
    >>> shown_text(b"garbage") is None
    True
    """
    answer = retold(body)
    return answer_text(answer) or None if answer is not None else None
