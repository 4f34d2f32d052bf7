"""Takes a request apart into parts that can be answered side by side."""

from __future__ import annotations

import json
import re
from typing import Final

__all__ = ["decomposition_prompt", "read_parts", "split_parts"]

ITEM: Final = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,3}[.):])\s+(?P<text>\S.*)$")
QUESTION: Final = re.compile(r"[^?]+\?")
FENCE: Final = re.compile(r"```(?:json)?\s*(?P<inside>.*?)```", re.DOTALL)


def split_parts(text: str, limit: int) -> tuple[str, ...]:
    r"""Split a request by rule: a list's items, else its lines, else its questions.

    What stands before a list belongs to every item. One part means that there is nothing to split.
    More than ``limit`` parts are not split at all: half of an answer is worse than one call.

    >>> split_parts("1. sort dbca\n2. reverse abc", 8)
    ('sort dbca', 'reverse abc')
    >>> split_parts("Translate to French:\n- dog\n- cat", 8)
    ('Translate to French: dog', 'Translate to French: cat')
    >>> split_parts("What is 2 plus 3? And what is abc backwards?", 8)
    ('What is 2 plus 3?', 'And what is abc backwards?')
    >>> split_parts("sort dbca", 8)
    ('sort dbca',)
    """
    whole = (text.strip(),)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    parts = _items(lines) or _lines(lines) or _questions(text)
    return tuple(parts) if 1 < len(parts) <= limit else whole


def _items(lines: list[str]) -> list[str]:
    found = [ITEM.match(line) for line in lines]
    first = next((at for at, item in enumerate(found) if item), len(lines))
    if any(item is None for item in found[first:]):
        return []
    lead = " ".join(lines[:first])
    texts = [item["text"].strip() for item in found[first:] if item]
    return [f"{lead} {one}".strip() for one in texts]


def _lines(lines: list[str]) -> list[str]:
    # Prose is broken into lines too: only short lines, each a request of its own, are parts.
    return lines if all(len(line.split()) <= 24 for line in lines) and len(lines) > 1 else []  # noqa: PLR2004 - a sentence


def _questions(text: str) -> list[str]:
    found = [match.group().strip() for match in QUESTION.finditer(text)]
    rest = QUESTION.sub("", text).strip()
    return found if not rest else []


def decomposition_prompt(text: str, limit: int) -> str:
    """Ask a model to take a request apart.

    >>> decomposition_prompt("sort dbca and add 2 and 3", 4).splitlines()[-1]
    'sort dbca and add 2 and 3'
    """
    return (
        f"Split the request below into at most {limit} parts that can be answered without each "
        "other. Write each part so that it can be understood alone. Answer with a JSON list of "
        "strings and nothing else. A request that cannot be split is a list of one.\n\n"
        f"Request:\n{text}"
    )


def read_parts(answer: str, limit: int) -> tuple[str, ...]:
    r"""Read what a model made of :func:`decomposition_prompt`; empty when it is no list.

    A JSON list, with or without a fence around it, or a plain list of items.

    >>> read_parts('```json\n["sort dbca", "add 2 and 3"]\n```', 4)
    ('sort dbca', 'add 2 and 3')
    >>> read_parts("1. sort dbca\n2. add 2 and 3", 4)
    ('sort dbca', 'add 2 and 3')
    >>> read_parts("I cannot do that.", 4)
    ()
    """
    fenced = FENCE.search(answer)
    inside = fenced["inside"] if fenced else answer
    parts = _json_list(inside)
    if parts is None:
        parts = _items([line.strip() for line in inside.splitlines() if line.strip()])
    return tuple(parts) if 0 < len(parts) <= limit else ()


def _json_list(text: str) -> list[str] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return None
    return [one.strip() for one in found if one.strip()]
