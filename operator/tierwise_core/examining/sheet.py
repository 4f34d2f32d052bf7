"""An examination under way: who has answered what, and what it comes to once all is answered.

Its state is two strings, a character a question, so that it fits into a status and a restarted
operator goes on with the first question that is open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self

from tierwise_core.rollout.paired import Paired
from tierwise_core.rollout.situation import Examination

__all__ = ["NONE", "OPEN", "RIGHT", "WRONG", "Sheet", "Side", "examination", "told_status"]

Side = Literal["blue", "green"]
RIGHT: Final = "1"
WRONG: Final = "0"
NONE: Final = "x"
OPEN: Final = "."
MARKS: Final = frozenset((RIGHT, WRONG, NONE, OPEN))
NAMED: Final = 20
LEAST_COMPARED: Final = 0.5
"""The share of questions that blue has to answer for a comparison to say anything."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Both sides' marks; ``digest`` names what was asked of whom.

    >>> sheet = Sheet.blank(2, "d").marked("blue", 0, RIGHT).marked("green", 0, WRONG)
    >>> sheet.blue, sheet.green, sheet.complete, sheet.open("green")
    ('1.', '0.', False, (1,))
    """

    blue: str
    green: str
    digest: str = ""

    @classmethod
    def blank(cls, questions: int, digest: str) -> Self:
        """Return a sheet on which nothing has been answered."""
        return cls(OPEN * questions, OPEN * questions, digest)

    @classmethod
    def resumed(cls, status: Mapping[str, Any], questions: int, digest: str) -> Self:
        """Return what a status kept; a blank sheet when it is of other questions or pods.

        >>> kept = {"digest": "d", "blueMarks": "10", "greenMarks": "1."}
        >>> Sheet.resumed(kept, 2, "d").green, Sheet.resumed(kept, 2, "other").green
        ('1.', '..')
        """
        blue, green = str(status.get("blueMarks", "")), str(status.get("greenMarks", ""))
        fits = len(blue) == len(green) == questions and MARKS.issuperset(blue + green)
        if status.get("digest") != digest or not fits:
            return cls.blank(questions, digest)
        return cls(blue, green, digest)

    def of(self, side: Side) -> str:
        """Return one side's marks."""
        return self.blue if side == "blue" else self.green

    def open(self, side: Side) -> tuple[int, ...]:
        """Return the questions that a side has yet to answer."""
        return tuple(at for at, mark in enumerate(self.of(side)) if mark == OPEN)

    def marked(self, side: Side, question: int, mark: str) -> Sheet:
        """Return the sheet with one more mark."""
        marks = self.of(side)
        after = marks[:question] + mark + marks[question + 1 :]
        return replace(self, blue=after) if side == "blue" else replace(self, green=after)

    @property
    def complete(self) -> bool:
        """Whether both sides have been asked everything."""
        return OPEN not in self.blue + self.green

    @property
    def answered(self) -> int:
        """How many questions both sides have been asked."""
        pairs = zip(self.blue, self.green, strict=True)
        return sum(OPEN not in pair for pair in pairs)

    @property
    def paired(self) -> Paired:
        """The comparison of what both sides have been asked.

        What green did not answer is wrong. What blue did not answer is left out: blue serves users
        meanwhile, and may be too busy; that is nothing in green's favour.

        >>> Sheet("11x.", "1x11").paired
        Paired(questions=2, both=1, only_blue=1, only_green=0)
        """
        pairs = zip(self.blue, self.green, strict=True)
        return Paired.of(
            (blue == RIGHT, green == RIGHT)
            for blue, green in pairs
            if blue in {RIGHT, WRONG} and green != OPEN
        )

    @property
    def unanswered(self) -> int:
        """How many answers there are none of."""
        return (self.blue + self.green).count(NONE)


def examination(
    sheet: Sheet, tolerance: float, what: str = "benchmark", silence: str = ""
) -> Examination:
    """Say how an examination stands; ``tolerance`` is the share by which green may fall behind.

    ``silence`` tells why a question has no answer, where one has none.

    >>> examination(Sheet("1111111111", "1100000000"), 0.0).loses
    True
    >>> examination(Sheet("11", "1."), 0.0).why
    'the benchmark is under way: 1 of 2 questions'
    >>> examination(Sheet("x", "1"), 0.0, silence="400: too long").why
    'blue answered 0 of 1 questions of the benchmark: too few to compare with (400: too long)'
    """
    count, paired = len(sheet.blue), sheet.paired
    if not sheet.complete:
        return Examination(
            "Running", why=f"the {what} is under way: {sheet.answered} of {count} questions"
        )
    if paired.questions < LEAST_COMPARED * count:
        told = f" ({silence})" if silence else ""
        return Examination(
            "Unreadable",
            why=f"blue answered {paired.questions} of {count} questions of the {what}: too few to "
            f"compare with{told}",
        )
    loses = paired.loses(tolerance)
    verdict = "surely worse" if loses else "not surely worse"
    why = f"{what}: {paired.told()}; {verdict} by more than {tolerance:g}"
    return Examination("Done", loses=loses, why=why)


def told_status(
    sheet: Sheet, found: Examination, tolerance: float, names: Sequence[str]
) -> dict[str, Any]:
    """Return the wire form for the Rollout's status; ``names`` are the questions'.

    >>> sheet = Sheet("11", "10", "d")
    >>> told_status(sheet, examination(sheet, 0.0), 0.0, ["line 1", "line 2"])["lost"]
    ['line 2']
    """
    paired = sheet.paired
    pairs = zip(names, sheet.blue, sheet.green, strict=True)
    lost = [name for name, *pair in pairs if pair[0] == RIGHT and pair[1] in {WRONG, NONE}]
    return {
        "state": found.state,
        "questions": len(sheet.blue),
        "answered": sheet.answered,
        "blueRight": sheet.blue.count(RIGHT),
        "greenRight": sheet.green.count(RIGHT),
        "onlyBlue": paired.only_blue,
        "onlyGreen": paired.only_green,
        "unanswered": sheet.unanswered,
        "tolerance": tolerance,
        "loses": found.loses,
        "message": found.why,
        "lost": lost[:NAMED],
        "digest": sheet.digest,
        "blueMarks": sheet.blue,
        "greenMarks": sheet.green,
    }
