"""The sums that are counted already, as a Rollout's status keeps them between two looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.rollout.counted import Counted, Look, look
from tierwise_core.rollout.situation import Standing
from tierwise_core.rollout.stages import COMPARED, Stage

__all__ = ["Tally", "counts"]

GRID_S: Final = 10
"""The ledger's windows begin on multiples of ten seconds."""


def counts(standing: Standing) -> bool:
    """Say whether answers are counted: both sides answer, or green answers and blue is warm.

    A pause interrupts the rollout and not the counting.

    >>> counts(Standing(Stage.CANARY)), counts(Standing(Stage.BENCHMARK))
    (True, False)
    >>> counts(Standing(Stage.PAUSED, before=Stage.SHIFTING))
    True
    """
    stage = standing.before if standing.stage is Stage.PAUSED else standing.stage
    return stage in COMPARED or stage is Stage.PROMOTED


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted: ``counted`` since ``since``, the last of it at ``at`` (epoch seconds).

    ``feedback`` says whether people's words are among it; answers that nobody sees have none, so
    while green only listens blue's are judged without them too. A ``fresh`` tally counts from the
    next answer of the ledger on.
    """

    since: float
    feedback: bool = True
    at: float = 0.0
    counted: Counted = field(default_factory=Counted)
    fresh: bool = False

    @classmethod
    def begin(cls, now: float, *, feedback: bool) -> Self:
        """Begin to count now, on the ledger's grid; green has answered nobody before.

        >>> Tally.begin(1234.5, feedback=True).since
        1230.0
        """
        return cls(now // GRID_S * GRID_S, feedback, now)

    @classmethod
    def read(cls, text: object) -> Self | None:
        """Read what a status keeps; None where there is nothing, or nothing that can be read.

        >>> kept = Tally.begin(1230.0, feedback=False)
        >>> Tally.read(kept.to_json()) == kept, Tally.read("{") is None
        (True, True)
        """
        try:
            row: Mapping[str, Any] = json.loads(str(text))
            return cls(
                float(row["since"]),
                bool(row["feedback"]),
                float(row["at"]),
                Counted.read(row),
                bool(row.get("fresh")),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> str:
        """Give it as a status keeps it."""
        head: dict[str, Any] = {"since": self.since, "feedback": self.feedback, "at": self.at}
        head |= {"fresh": True} if self.fresh else {}
        return json.dumps(head | self.counted.to_row(), separators=(",", ":"))

    def count(
        self, now: Counted, standing: Standing, at: float, judgement: FieldJudgement
    ) -> tuple[Tally, Look]:
        """Take in what the ledger says at ``at``: the tally after it, and what it adds."""
        if self.fresh:
            return replace(self, at=at, counted=now, fresh=False), Look(now)
        since = max(standing.evidence.until, standing.watch.until)
        seen = look(self.counted, now, since, at, judgement)
        if seen.kept == self.counted:
            return self, seen
        return replace(self, at=at, counted=seen.kept), seen

    def hearing(self, *, feedback: bool) -> Tally:
        """Return the tally under another way of judging: it begins with what is there then.

        >>> Tally(0.0, feedback=False).hearing(feedback=True).fresh
        True
        """
        return self if feedback == self.feedback else replace(self, feedback=feedback, fresh=True)
