"""Logs of outcomes whose truth is known: who is how good at what, and what makes it hard."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

FIELDS: Final = ("sorting", "adding", "spelling")
USD: Final[Mapping[str, float]] = {"small": 0.001, "adder": 0.002, "large": 0.01}
LETTERS: Final = "abcdefghijklmnop"


def question(chance: random.Random) -> tuple[str, str, float]:
    """A question, its field, and how hard it is from 0 to 1: longer ones are harder."""
    field = chance.choice(FIELDS)
    hard = chance.random()
    count = 3 + int(25 * hard)
    if field == "adding":
        digits = 1 + int(8 * hard)
        numbers = [str(chance.randrange(10 ** (digits - 1), 10**digits)) for _ in range(3)]
        return f"what is {' + '.join(numbers)}?", field, hard
    word = "".join(chance.choice(LETTERS) for _ in range(count))
    verb = "sort the letters of" if field == "sorting" else "spell this word aloud:"
    return f"{verb} {word}", field, hard


def truth(model: str, field: str, hard: float) -> float:
    """The probability that a model's answer is accepted."""
    if model == "large":
        return 0.93
    if model == "adder":
        return 0.97 if field == "adding" else 0.15
    return 1.0 / (1.0 + math.exp(-(3.0 - 7.0 * hard)))


def rows(
    count: int, seed: int, models: Sequence[str] = ("small", "large"), *, fields: bool = True
) -> Iterator[dict[str, Any]]:
    """Rows of a log for ``tierwise replay``."""
    chance = random.Random(seed)  # noqa: S311 - a seeded log, no secret
    for _ in range(count):
        text, field, hard = question(chance)
        outcomes = {
            name: {
                "accepted": chance.random() < truth(name, field, hard),
                "cost_usd": USD[name],
            }
            for name in models
        }
        yield {"query": text, "outcomes": outcomes} | ({"field": field} if fields else {})


def write_log(path: Path, found: Iterator[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in found), encoding="utf-8")
    return path
