"""Sides that are examined: engines that answer from a table, and Rollouts that ask for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tierwise_core.rollout.green_state import GreenState
from tierwise_core.rollout.order import Order
from tierwise_core.rollout.situation import Standing
from tierwise_core.rollout.stages import Stage
from tierwise_operator.examining.asking import Asked, EngineBusyError

BLUE, GREEN = "http://10.0.0.1:8000", "http://10.0.0.2:8000"
BOTH = GreenState(
    ready=True,
    blue_revisions=("b1",),
    green_revisions=("g1",),
    blue_urls=(BLUE,),
    green_urls=(GREEN,),
)

Answer = Callable[[str], str]


def right(question: str) -> str:
    """What these questions ask for: the letters in their order."""
    return "".join(sorted(question.removeprefix("sort ")))


def wrong(question: str) -> str:
    return question


@dataclass(slots=True)
class TableEngine:
    """Answers by a function of its own per address; fails when told to; counts what it is asked."""

    answers: Mapping[str, Answer]
    asked: list[tuple[str, str]] = field(default_factory=list)
    models: set[str] = field(default_factory=set)
    faults: dict[str, list[Exception]] = field(default_factory=dict)
    under_way: int = 0
    most_at_once: int = 0
    closed: bool = False

    async def ask(self, url: str, asked: Asked) -> str:
        question = str(asked.messages[-1]["content"])
        self.asked.append((url, question))
        self.models.add(asked.model)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if self.faults.get(url):
            raise self.faults[url].pop(0)
        if url not in self.answers:
            raise EngineBusyError(f"{url}: connection refused")
        return self.answers[url](question)

    async def close(self) -> None:
        self.closed = True

    def count(self, url: str) -> int:
        return sum(where == url for where, _ in self.asked)


def words(count: int) -> list[str]:
    """As many different questions."""
    letters = "abcdefgh"
    return [f"sort {letters[n % 8]}{letters[n // 8 % 8]}za{n}" for n in range(count)]


def lines(questions: Sequence[str]) -> str:
    return "\n".join(json.dumps({"question": q, "answer": right(q)}) for q in questions)


def config_map(name: str, text: str, namespace: str = "ai", key: str = "questions.jsonl") -> Any:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: text},
    }


def an_order(stage: Stage = Stage.BENCHMARK, **changes: Any) -> Order:
    strategy = changes.pop("strategy", {"benchmark": {"configMap": {"name": "held-out"}}})
    known: dict[str, Any] = {
        "standing": Standing(stage=stage),
        "spec": {"strategy": strategy},
        **changes,
    }
    return Order("ai", "sorter-v2", "u-1", 1, "ai/sorter", **known)
