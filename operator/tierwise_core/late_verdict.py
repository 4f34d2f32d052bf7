"""What verifiers say of an answer that nobody judged before its client had it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

__all__ = ["VERDICT_KIND", "Verdict"]

VERDICT_KIND: Final = "verdict"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifiers said of an answer that had gone out unjudged: of one step of a decision.

    ``checks`` are their words one by one, ``verified`` what they come to. There is one verdict on
    a step; feedback outweighs it.
    """

    decision: str
    position: int
    verified: bool
    checks: tuple[Mapping[str, Any], ...] = ()

    def to_row(self) -> dict[str, Any]:
        """Give it as a row of the journal, by a name of its own.

        >>> said = Verdict("d-1", 0, verified=True)
        >>> said.to_row()["id"], Verdict.of(said.to_row()) == said
        ('d-1/0', True)
        """
        return {"kind": VERDICT_KIND, "id": f"{self.decision}/{self.position}", **asdict(self)}

    def told_in(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Give a decision's row as it would be, had the verdict come before it was written.

        >>> row = {"id": "d-1", "steps": [{"verdict": "relayed", "verified": None}]}
        >>> Verdict("d-1", 0, verified=True).told_in(row)["steps"]
        [{'verdict': 'relayed', 'verified': True, 'checks': []}]
        """
        steps = [dict(step) for step in record.get("steps") or ()]
        if self.position < len(steps):
            steps[self.position] |= {"verified": self.verified, "checks": list(self.checks)}
        return {**record, "steps": steps}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row; fields of a newer version are left out.

        Raises TypeError for one that says nothing:

        >>> Verdict.of({"decision": "d-1", "position": 0, "verified": "yes"})
        Traceback (most recent call last):
            ...
        TypeError: 'verified' is 'yes'; it must be true or false
        """
        known = {one.name: row[one.name] for one in fields(cls) if one.name in row}
        said = cls(**{**known, "checks": tuple(row.get("checks") or ())})
        for name, kind, right in (
            ("decision", str, "a decision's name"),
            ("position", int, "the number of a step"),
            ("verified", bool, "true or false"),
        ):
            if not isinstance(value := getattr(said, name), kind):
                raise TypeError(f"{name!r} is {value!r}; it must be {right}")
        return said
