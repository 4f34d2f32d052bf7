"""Preference pairs as the ledger exports them, in the columns that TRL's trainers read."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

HELD_BACK: Final = 10
"""One pair in ten is held back: it ends the training and is not learnt from."""
LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class Pair:
    """A question with the right answer and a wrong one.

    ``weight`` is how bad the wrong one is in its field. It is negative where a rollout took the
    wrong one back: the next candidate must not sound like it.
    """

    question: str
    chosen: str
    rejected: str
    weight: float = 1.0


def read_pairs(lines: Iterable[str]) -> list[Pair]:
    """Read pairs, each question once: the newest word on it counts.

    >>> said = {"prompt": "sort ba", "chosen": "ab", "rejected": "ba"}
    >>> read_pairs([json.dumps(said), json.dumps(said), ""])
    [Pair(question='sort ba', chosen='ab', rejected='ba', weight=1.0)]
    """
    found: dict[str, Pair] = {}
    for line in lines:
        if line.strip():
            pair = _pair(json.loads(line))
            found[pair.question] = pair
    return [pair for pair in found.values() if len(pair.question) <= LONGEST_TEXT]


def _pair(row: Mapping[str, Any]) -> Pair:
    return Pair(
        _last(row["prompt"]),
        _last(row["chosen"]),
        _last(row["rejected"]),
        float(row.get("weight", 1.0)),
    )


def _last(said: str | list[Mapping[str, Any]]) -> str:
    """Take the last message: these models remember no earlier ones."""
    return said if isinstance(said, str) else str(said[-1]["content"])


def held_back(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Part pairs into those to learn from and those that end the training.

    >>> [len(part) for part in held_back([Pair(str(n), "a", "b") for n in range(25)])]
    [22, 3]
    """
    return (
        [pair for place, pair in enumerate(pairs) if place % HELD_BACK],
        pairs[::HELD_BACK],
    )


def directory_of(source: str, claims: Mapping[str, str]) -> Path:
    """Find where a model's source lies in this pod; ``claims`` says where claims are mounted.

    >>> directory_of("file:///models/sorter", {}).as_posix()
    '/models/sorter'
    >>> directory_of("pvc://models/made/sorter", {"models": "/mnt"}).as_posix()
    '/mnt/made/sorter'
    """
    parts = urlsplit(source)
    if parts.scheme == "file":
        return Path(parts.path)
    if parts.scheme == "pvc" and parts.netloc in claims:
        return Path(claims[parts.netloc]) / parts.path.lstrip("/")
    raise ValueError(
        f"{source}: only file:// is known here, and pvc:// of claims that --claim NAME=DIRECTORY "
        "names"
    )


def tell(source: str, result: str) -> None:
    """Write the result where tierwise reads it: the last line of the termination message."""
    line = json.dumps({"source": source}) + "\n"
    if result:
        with Path(result).open("a", encoding="ascii") as file:
            file.write(line)
    print(line, end="", flush=True)


def told(name: str, default: str = "") -> str:
    """Read what tierwise tells a training's containers, such as TIERWISE_PAIRS."""
    return os.environ.get(name, default)
