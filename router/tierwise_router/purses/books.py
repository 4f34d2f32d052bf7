"""The budgets that one dispatcher spends from: opened as requests come, told to the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import structlog

from tierwise_core.budget_account import BudgetAccount
from tierwise_core.budget_lease import Ask
from tierwise_core.budgets import Budgets
from tierwise_core.route_table import RouteTable
from tierwise_core.tenant import TenantRoute
from tierwise_router.ledger_client import LedgerAwayError
from tierwise_router.pressure import Pressure
from tierwise_router.purses.desk import LeaseDesk
from tierwise_router.purses.entry import Entry
from tierwise_router.purses.purse import Purse

__all__ = ["Books"]

log = structlog.get_logger(__name__)

TICK_S: Final = 0.5
REST_S: Final = 2.0
AT_ONCE: Final = 1000
FORGET_S: Final = 300.0
DAY_S: Final = 86_400


class Books:
    """The leases of one dispatcher; all in its event loop.

    Args:
        holder: the dispatcher's name, another one after each start.
        desk: the way to the ledger; None where there is none.
        share: how many dispatchers there are: each may spend as many parts by itself.
        pressure: where is counted what became of requests.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        holder: str,
        desk: LeaseDesk | None,
        share: int,
        pressure: Pressure,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._holder = holder
        self._desk = desk
        self._share = max(1, share)
        self._pressure = pressure
        self._clock = clock
        self._offset_s = 0.0
        self._entries: dict[tuple[str, str], Entry] = {}
        self._away_until = 0.0
        self._exchanging: asyncio.Task[bool] | None = None
        self._open_to = ("", 0.0)

    def now(self) -> float:
        """Tell the time by the ledger's clock."""
        return self._clock() + self._offset_s

    def count(self, tenant: str, outcome: str) -> None:
        """Count what became of a request."""
        self._pressure.budgets[tenant, outcome] += 1

    def learn(self, table: RouteTable) -> None:
        """Take in a new table: new budgets count from the next request on."""
        for entry in self._entries.values():
            tenant = table.tenants.get(entry.tenant)
            limit = None if tenant is None else getattr(tenant.budgets, entry.scope)
            if tenant is not None and limit is not None:
                entry.rules, entry.account.limit = tenant.budgets, limit
                entry.account.allowance = limit // self._share if tenant.budgets.goes_on else 0

    def open(self, tenant: TenantRoute, user: bytes, session: bytes) -> Purse:
        """Open the purse of a request."""
        rules, key, day = tenant.budgets, tenant.key, self._day()
        entries = []
        if rules.day is not None:
            entries.append(self._entry(day, key, key, "day", rules, rules.day))
        if rules.user is not None:
            name = f"{key}/user/{_digest(user)}"
            entries.append(self._entry(day, name, key, "user", rules, rules.user))
        if rules.session is not None and session:
            name = f"{key}/session/{_digest(session)}"
            entries.append(self._entry(day, name, key, "session", rules, rules.session))
        return Purse(key, rules, entries, self)

    async def replenish(self, entries: Sequence[Entry], amount: int) -> bool:
        """Ask the ledger for more; False when it does not answer."""
        if self._desk is None or self.now() < self._away_until:
            return False
        for entry in entries:
            entry.waiting += amount
        try:
            # What is under way may have been asked before we came.
            if self._exchanging is not None and not await asyncio.shield(self._exchanging):
                return False
            if all(entry.account.available >= amount for entry in entries):
                return True
            return await self._exchange_once()
        finally:
            for entry in entries:
                entry.waiting -= amount

    async def run(self) -> None:
        """Keep enough in hand until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            if self._desk is not None and self.now() >= self._away_until:
                await self._exchange_once()
            self._forget()

    async def close(self) -> None:
        """Give back what is left; at the end, when no request is in progress any more."""
        if self._desk is None:
            return
        with contextlib.suppress(LedgerAwayError):
            await self._tell(list(self._entries.values()), closing=True)
        await self._desk.close()

    async def _exchange_once(self) -> bool:
        """Exchange with the ledger, one at a time; whoever comes meanwhile shares the answer."""
        if self._exchanging is None:
            self._exchanging = asyncio.get_running_loop().create_task(self._exchange())
            self._exchanging.add_done_callback(self._exchanged)
        return await asyncio.shield(self._exchanging)

    def _exchanged(self, _task: asyncio.Task[bool]) -> None:
        self._exchanging = None

    async def _exchange(self) -> bool:
        now = self.now()
        due = [entry for entry in self._entries.values() if entry.due(now)]
        try:
            await self._tell(due)
        except LedgerAwayError as error:
            if self._away_until <= self._clock() - 10 * REST_S:
                log.warning("no budgets can be had from the ledger", error=str(error))
            self._away_until = self.now() + REST_S
            return False
        return True

    async def _tell(self, entries: Sequence[Entry], *, closing: bool = False) -> None:
        for some in _pieces(entries):
            now = self.now()
            asks = {one.key: (one, one.ask(now, closing=closing)) for one in some}
            await self._ask(asks)

    async def _ask(self, asks: dict[tuple[str, str], tuple[Entry, Ask]]) -> None:
        assert self._desk is not None  # noqa: S101 - the callers have looked
        sent_at = self._clock()
        told = await self._desk.ask(self._holder, [one.to_json(ask) for one, ask in asks.values()])
        self._offset_s = _offset(told.get("now"), sent_at, self._clock())
        for lease in told["leases"]:
            found = asks.get((lease["day"], lease["account"]))
            if found is not None:
                found[0].account.told(lease["number"], lease["granted"], lease["taken"])

    def _entry(  # noqa: PLR0913, PLR0917 - what names a budget, and what bounds it
        self, day: str, name: str, tenant: str, scope: str, rules: Budgets, limit: int
    ) -> Entry:
        entry = self._entries.get((day, name))
        if entry is None:
            account = BudgetAccount(limit, limit // self._share if rules.goes_on else 0)
            entry = Entry(day, name, tenant, scope, rules, account, self.now())
            self._entries[day, name] = entry
        return entry

    def _day(self) -> str:
        day, until = self._open_to
        now = self.now()
        if not until - DAY_S <= now < until:
            day = datetime.fromtimestamp(now, UTC).date().isoformat()
            self._open_to = day, (now // DAY_S + 1) * DAY_S
        return day

    def _forget(self) -> None:
        """Let go of budgets of which everything has been told and given back."""
        now = self.now()
        for key, entry in list(self._entries.items()):
            account = entry.account
            done = entry.returned and account.reserved == 0 and account.spent == entry.told_spent
            if done and now - entry.touched_at > FORGET_S and entry.day != self._day():
                del self._entries[key]


def _offset(told: Any, sent_at: float, heard_at: float) -> float:
    """Tell what to add to our clock to get the ledger's; less than its way took is nothing."""
    if not isinstance(told, int | float):
        return 0.0
    offset_s = told - (sent_at + heard_at) / 2
    return offset_s if abs(offset_s) > max(1.0, heard_at - sent_at) else 0.0


def _digest(name: bytes) -> str:
    return blake2b(name, digest_size=8).hexdigest() if name else "none"


def _pieces(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    for at in range(0, len(entries), AT_ONCE):
        yield entries[at : at + AT_ONCE]
