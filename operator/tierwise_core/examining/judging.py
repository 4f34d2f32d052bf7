"""A model as the judge of free answers: what it is asked, and how its word is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["JUDGE", "judge_prompt", "judge_word"]

JUDGE: Final = "judge"
"""The name of the verifier that asks a model."""
INSTRUCTION: Final = (
    "You check answers. Is the answer below right for the question? Begin with yes or no."
)
YES: Final = re.compile(r"\W*(yes|true|correct|right)\b", re.IGNORECASE)
NO: Final = re.compile(r"\W*(no|false|incorrect|wrong|not)\b", re.IGNORECASE)


def judge_prompt(
    instruction: str, messages: Sequence[Mapping[str, Any]], answers: Sequence[str], text: str
) -> str:
    """Return what the judge is asked about an answer.

    >>> asked = judge_prompt("", [{"role": "user", "content": "2+2"}], ["4"], "four")
    >>> asked.splitlines()[2:]
    ['Question: 2+2', '', 'A right answer: 4', '', 'Answer: four']
    """
    question = "\n".join(
        str(one["content"]) if len(messages) == 1 else f"{one['role']}: {one['content']}"
        for one in messages
    )
    known = [f"A right answer: {answer}" for answer in answers]
    parts = [instruction or INSTRUCTION, f"Question: {question}", *known, f"Answer: {text}"]
    return "\n\n".join(parts)


def judge_word(said: str) -> bool | None:
    """Read the judge's word; None where it said neither yes nor no.

    >>> judge_word("Yes, it is."), judge_word("**No**"), judge_word("It depends")
    (True, False, None)
    """
    if YES.match(said) is not None:
        return True
    return False if NO.match(said) is not None else None
