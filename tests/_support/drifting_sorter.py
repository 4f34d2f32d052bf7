"""A Specialist that may drift, and a ledger that counts what a test says it answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tierwise_core.rollout.counted import Counted, SideCount
from tierwise_core.windows import Window
from tierwise_operator.drifting.lessons import Pairs
from tierwise_operator.rolling.ledger import LedgerError, SumsOf

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PAIR = json.dumps({"prompt": [], "chosen": [], "rejected": []}) + "\n"

SORTER = """
apiVersion: tierwise.dev/v1alpha1
kind: Specialist
metadata: {name: sorter, namespace: ai}
spec:
  field: sorting
  model: {source: "file:///models/sorter", maxModelLen: 256}
  rollout:
    onInconclusive: Promote
    benchmark: {configMap: {name: held-out}}
    training:
      minPairs: 5
      every: 1h
      jobTemplate:
        spec:
          template:
            spec:
              containers:
                - {name: train, image: "acme/trainer:1"}
status:
  endpoints: [{url: "http://10.0.0.1:8000", pod: sorter-1, revision: r1}]
"""


@dataclass
class ScriptedLessons:
    """Counts answers that are right or wrong; is away when told to be."""

    window: Window = field(default_factory=Window)
    pairs_known: int = 40
    away: bool = False
    asked: list[SumsOf] = field(default_factory=list)

    def add(self, right: int, wrong: int) -> None:
        judged = right + wrong
        self.window += Window(
            asked=judged,
            judged=judged,
            verifier=judged,
            accepted=right,
            confidence_e4=9000 * judged,
            confidence_squared_e8=81_000_000 * judged,
            accepted_confidence_e4=9000 * right,
        )

    async def sums(self, asked: SumsOf) -> Counted:
        self.asked.append(asked)
        if self.away:
            raise LedgerError("connection refused")
        return Counted(SideCount(self.window))

    async def pairs(self, specialist: str) -> Pairs:
        assert specialist.endswith("/sorter")
        return Pairs(PAIR * self.pairs_known, self.pairs_known, self.pairs_known)

    async def close(self) -> None:
        """Nothing is open."""
