"""A Rollout's passes driven by hand: a ledger, routers and pods that say what the story says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from stage import Library

from tierwise_core.rollout.counted import Counted, SideCount
from tierwise_core.rollout.green_state import GreenState
from tierwise_core.rollout.order import Order
from tierwise_core.windows import Interaction, Window
from tierwise_operator.cluster import Cluster
from tierwise_operator.engine_room import Operator
from tierwise_operator.examining.examiner import Examined
from tierwise_operator.rolling.ledger import FailuresOf, LedgerError, SumsOf
from tierwise_operator.rolling.means import Means
from tierwise_operator.rolling.routers import Taken
from tierwise_operator.settings import Settings
from tierwise_operator.workqueue import Item

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SERVING = GreenState(
    ready=True,
    blue_revisions=("blue1",),
    green_revisions=("green1",),
    blue_urls=("http://10.0.0.1:8000",),
    green_urls=("http://10.0.0.2:8000",),
    blue_stays=True,
    carries_percent=100,
)


@dataclass
class ScriptedLedger:
    """Answers with the sums of the story; silent while ``away``."""

    blue: Window = field(default_factory=Window)
    green: Window = field(default_factory=Window)
    day: Window = field(default_factory=Window)
    away: bool = False
    asked: list[SumsOf] = field(default_factory=list)
    kept: list[FailuresOf] = field(default_factory=list)

    async def sums(self, asked: SumsOf) -> Counted:
        self._answer()
        self.asked.append(asked)
        if not asked.green:
            return Counted(SideCount(self.day, 0.5))
        return Counted(SideCount(self.blue), SideCount(self.green))

    async def keep_failures(self, failures: FailuresOf) -> int:
        self._answer()
        self.kept.append(failures)
        return self.green.judged - self.green.accepted

    async def close(self) -> None:
        """Nothing is open."""

    def _answer(self) -> None:
        if self.away:
            raise LedgerError("connection refused")

    def judged(self, side: str, right: int, wrong: int = 0) -> None:
        """Count answers: so many that were accepted, so many that were not."""
        more = _answers(right, yes=True) + _answers(wrong, yes=False)
        setattr(self, side, getattr(self, side) + more)


def _answers(count: int, *, yes: bool) -> Window:
    one = Window.of(Interaction(yes, 0.8, "verifier"))
    return Window(**{name: count * value for name, value in one.to_row().items()})


@dataclass
class ScriptedRouters:
    """Apply what the API server says, as long as they are not ``behind``."""

    shares: Callable[[], Mapping[tuple[str, str], int]]
    behind: Mapping[tuple[str, str], int] | None = None

    async def ask(self, _: str = "") -> Taken:
        return Taken({"http://router": self.shares() if self.behind is None else self.behind})

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class ScriptedExaminer:
    """Knows what the story knows."""

    known: Examined = field(default_factory=Examined)
    forgotten: list[str] = field(default_factory=list)

    def examine(self, order: Order, green: GreenState) -> Examined:
        return self.known

    def forget(self, order_key: str) -> None:
        self.forgotten.append(order_key)

    async def settle(self) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing is open."""


def rollout_body(
    name: str = "v2", namespace: str = "ai", specialist: str = "sorter", **spec: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "specialistRef": {"name": specialist},
            "candidate": {"model": {"source": f"file:///models/{name}"}},
            **spec,
        },
    }


@dataclass
class Rolling:
    """An operator whose Rollout passes are made one by one; any cluster will do."""

    cluster: Cluster
    ledger: ScriptedLedger = field(default_factory=ScriptedLedger)
    examiner: ScriptedExaminer = field(default_factory=ScriptedExaminer)
    state: GreenState | None = SERVING
    now: datetime = NOON
    namespace: str = "ai"
    has_ledger: bool = True
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.routers = ScriptedRouters(self._written)
        self.begin()

    def begin(self) -> None:
        """A new process: nothing is known but what the cluster keeps."""
        ledger: Any = self.ledger if self.has_ledger else None
        settings = Settings(identity="operator-0", namespaces=(self.namespace,))
        self.operator = Operator(
            self.cluster,
            settings,
            Library().read,
            clock=lambda: self.now,
            rollouts=lambda changed: Means(
                ledger,
                self.routers,  # type: ignore[arg-type]
                self.examiner,
                changed,
            ),
        )

    async def step(self, name: str = "v2") -> dict[str, Any]:
        """Make passes until nothing is written and no answer is waited for; return the status."""
        operator, key = self.operator, f"{self.namespace}/{name}"
        specialist = f"{self.namespace}/sorter"
        for _ in range(20):
            if self.state is not None:
                operator.rollouts.sides(specialist, self.state, name)
            before = self._status(key)
            self.now += timedelta(milliseconds=7)  # no two passes are at the same time
            await operator.rollouts.run(Item("Rollout", key))
            await operator.rollouts.means.settle()
            if self._status(key) == before and not self._due(key):
                break
        return self._status(key)

    async def pass_after(self, seconds: float, name: str = "v2") -> dict[str, Any]:
        """Let time go by for the operator, and for how long its answers are good."""
        self.now += timedelta(seconds=seconds)
        means = self.operator.rollouts.means
        for one in (means.sums, means.failures, means.taken, means.history):
            one.expire()
        return await self.step(name)

    def green(self, **changes: Any) -> None:
        """Change what the pods of both sides show."""
        self.state = replace(self.state or SERVING, **changes)

    def _status(self, key: str) -> dict[str, Any]:
        order = self.operator.store.rollouts.get(key)
        return dict(order.status) if order is not None else {}

    def _due(self, key: str) -> bool:
        return Item("Rollout", key) in self._queued()

    def _queued(self) -> set[Item]:
        """Take what is queued: these stories make their passes themselves."""
        found = set()
        while (item := self.operator.queue.take()) is not None:
            found.add(item)
            self.operator.queue.done(item)
        return found

    def _written(self) -> dict[tuple[str, str], int]:
        return {
            (order.specialist_key, order.name): int(
                (order.status.get("weights") or {}).get("green") or 0
            )
            for order in self.operator.store.rollouts.all()
        }
