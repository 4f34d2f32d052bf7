"""The commands and YAML of our pages, for tests that try them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: str, program: str) -> Iterator[list[str]]:
    """The arguments of every call of a program, up to a pipe, a redirection or a comment."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == program:
                ends = [at for at, word in enumerate(words) if word in {"|", ">", "&", ";"}]
                yield words[1 : min(ends, default=len(words))]
