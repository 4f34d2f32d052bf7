"""What a rollout asks of others: the ledger, the routers, the examiner; put together once."""

from collections.abc import Callable, Mapping
from typing import Protocol

from tierwise_core.rollout.counted import Counted
from tierwise_core.rollout.green_state import GreenState
from tierwise_core.rollout.order import Order
from tierwise_operator.cluster import Cluster, ClusterError
from tierwise_operator.examining.examiner import Examined, Examiner
from tierwise_operator.examining.reading import SetReader
from tierwise_operator.examining.sets import WantedSet, What, wanted_sets
from tierwise_operator.rolling.inquiries import Inquiries
from tierwise_operator.rolling.ledger import FailuresOf, LedgerClient, LedgerError, SumsOf
from tierwise_operator.rolling.routers import Routers, Taken
from tierwise_operator.settings import Settings
from tierwise_operator.store import Store

LOOK_SECONDS = 2.0
ROUTERS_SECONDS = 0.5
ALL = ""
"""The asker of what concerns every rollout."""


class Examines(Protocol):
    """Who puts held-out questions to both sides; returns at once with what is known."""

    def examine(self, order: Order, green: GreenState) -> Examined:
        """Return what is known of both examinations."""
        ...

    def forget(self, order_key: str) -> None:
        """Stop examining for a Rollout that is gone."""
        ...

    async def settle(self) -> None:
        """Wait until every examination under way has ended."""
        ...

    async def close(self) -> None:
        """Stop, and close the connections."""
        ...


class Means:
    """The means of all rollouts; ``ledger`` None stands for an operator that has none."""

    def __init__(
        self,
        ledger: LedgerClient | None,
        routers: Routers,
        examiner: Examines,
        changed: Callable[[str], None],
    ) -> None:
        """``changed`` hears the key of a Rollout about which something is known, or `ALL`."""
        self._ledger = ledger
        self._routers = routers
        self.examiner = examiner
        self.sums: Inquiries[SumsOf, Counted] = Inquiries(
            self._sums, changed, failures=(LedgerError,), rest_seconds=LOOK_SECONDS
        )
        self.history: Inquiries[SumsOf, Counted] = Inquiries(
            self._sums, changed, failures=(LedgerError,)
        )
        self.failures: Inquiries[FailuresOf, int] = Inquiries(
            self._keep, changed, failures=(LedgerError,)
        )
        self.taken: Inquiries[str, Taken] = Inquiries(
            routers.ask, changed, failures=(ClusterError,), rest_seconds=ROUTERS_SECONDS
        )

    @property
    def has_ledger(self) -> bool:
        """Whether the operator was told of a ledger."""
        return self._ledger is not None

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for."""
        return any(one.busy for one in (self.sums, self.history, self.failures, self.taken))

    def forget(self, order_key: str) -> None:
        """Drop what was asked for a Rollout that is gone or has ended."""
        for one in (self.sums, self.history, self.failures):
            one.forget(order_key)
        self.examiner.forget(order_key)

    async def settle(self) -> None:
        """Wait for every answer that is under way."""
        for one in (self.sums, self.history, self.failures, self.taken, self.examiner):
            await one.settle()

    async def close(self) -> None:
        """Ask nothing any more, and close the connections."""
        for one in (self.sums, self.history, self.failures, self.taken):
            one.close()
        await self.examiner.close()
        await self._routers.close()
        if self._ledger is not None:
            await self._ledger.close()

    async def _sums(self, asked: SumsOf) -> Counted:
        if self._ledger is None:
            raise LedgerError("the operator was not told of a ledger (--ledger-url)")
        return await self._ledger.sums(asked)

    async def _keep(self, failures: FailuresOf) -> int:
        if self._ledger is None:
            raise LedgerError("the operator was not told of a ledger (--ledger-url)")
        return await self._ledger.keep_failures(failures)


def means(
    cluster: Cluster, store: Store, settings: Settings, changed: Callable[[str], None]
) -> Means:
    """Return the means that the settings name."""

    def sets(order: Order) -> Mapping[What, WantedSet]:
        specialist = store.specialists.get(order.specialist_key)
        field = specialist.field if specialist is not None else ""
        profile = store.profiles.get(field)
        return wanted_sets(order, field, profile.spec if profile is not None else None)

    def places(key: str) -> tuple[str, ...]:
        """Return where a Specialist answers that judges: what serves, and no candidate."""
        judge = store.specialists.get(key)
        rows = judge.status.get("endpoints") or () if judge is not None else ()
        return tuple(str(row["url"]) for row in rows if row.get("side") != "green")

    url = settings.ledger_url
    return Means(
        LedgerClient(url, settings.ledger_token_file) if url else None,
        Routers(cluster, settings.lease_namespace, settings.router_urls),
        Examiner(SetReader(cluster, settings), sets, changed, places=places),
        changed,
    )
