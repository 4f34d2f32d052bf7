"""What one request may spend of its tenant's budgets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from tierwise_core.budgets import Budgets
from tierwise_core.money import usd
from tierwise_router.errors import BudgetSpentError, LedgerAwayError, RequestError
from tierwise_router.purses.entry import Entry

__all__ = ["Bank", "Purse"]

ATTEMPTS: Final = 3
DAY: Final = timedelta(days=1)
FIELDS: Final = {"day": "perDay", "user": "perUserPerDay", "session": "perSession"}
WHOSE: Final = {"day": "", "user": " for this user", "session": " for this session"}


class Bank(Protocol):
    """Who gets more for a purse."""

    async def replenish(self, entries: Sequence[Entry], amount: int) -> bool:
        """Ask the ledger for more; False when it does not answer."""

    def count(self, tenant: str, outcome: str) -> None:
        """Count what became of a request."""

    def now(self) -> float:
        """Tell the time by the ledger's clock; seconds since the epoch."""


class Purse:
    """The budgets of one request; amounts are nano-USD.

    Args:
        tenant: whose request it is.
        rules: the tenant's budgets.
        entries: those of them that the request spends from.
        bank: gets more.
    """

    __slots__ = ("_bank", "_covers", "_entries", "_reserved", "_rules", "_tenant")

    def __init__(self, tenant: str, rules: Budgets, entries: Sequence[Entry], bank: Bank) -> None:
        self._tenant = tenant
        self._rules = rules
        self._entries = entries
        self._bank = bank
        self._reserved = 0
        self._covers = 0

    @property
    def ceiling_usd(self) -> float | None:
        """What a plan may cost at most: what is left, where somebody cheaper is to be looked for.

        None where nothing bounds it: then a request that is too dear is refused.
        """
        if not self._rules.cheaper or not self._entries:
            return None
        return usd(min(max(one.account.left, one.account.available) for one in self._entries))

    async def cover(self, amount: int) -> None:
        """Set aside what a call is expected to cost.

        Raises RequestError (429) when less is left of a budget, BudgetSpentError when the request
        would cost more than one may, and LedgerAwayError when nobody can say what is left.
        """
        most = self._rules.request
        if most is not None and self._reserved + amount > most:
            self._bank.count(self._tenant, "refused_request")
            raise BudgetSpentError(
                f"a call for about ${usd(amount):.6f} after ${usd(self._reserved):.6f} would go "
                f"beyond the ${usd(most):g} that one request of tenant {self._tenant!r} may cost "
                "(spec.budgets.perRequest)"
            )
        for one in self._entries:
            one.touched_at = self._bank.now()
            one.largest = max(one.largest, amount)
        if not self._take(amount):
            await self._get_more(amount)
        self._covers += 1
        self._reserved += amount

    def settle(self, spent: int, *, cut_short: bool = False) -> None:
        """Put what the request cost in the place of what was set aside for it; once, at its end.

        What was ``cut_short`` counts as what was expected, if that is more: who leaves before the
        end of an answer has it paid all the same.
        """
        if not self._covers:
            return
        spent = max(spent, self._reserved) if cut_short else spent
        for one in self._entries:
            one.account.settle(self._reserved, spent)
        self._reserved = self._covers = 0

    def exhausted(self) -> RequestError:
        """Make the refusal for a request that nobody is cheap enough for."""
        return self._refusal(min(self._entries, key=lambda one: one.account.left))

    def _take(self, amount: int) -> bool:
        entries = self._entries
        if any(one.account.available < amount for one in entries):
            return False
        for one in entries:
            one.account.reserve(amount)
        return True

    async def _get_more(self, amount: int) -> None:
        for _ in range(ATTEMPTS):
            short = [one for one in self._entries if one.account.available < amount]
            answered = await self._bank.replenish(short, amount)
            if self._take(amount):
                return
            if not answered:
                self._lend(amount)
                return
            if (empty := self._empty(amount)) is not None:
                raise self._refusal(empty)
        # Others were faster each time: what is left is next to nothing.
        raise self.exhausted()

    def _empty(self, amount: int) -> Entry | None:
        return next((one for one in self._entries if one.account.left < amount), None)

    def _lend(self, amount: int) -> None:
        entries = self._entries
        if not self._rules.goes_on or not all(one.account.can_lend(amount) for one in entries):
            self._bank.count(self._tenant, "refused_away")
            why = (
                "the part of it that may be spent without the ledger is used up"
                if self._rules.goes_on
                else "spec.budgets.onLedgerAway is Refuse"
            )
            raise LedgerAwayError(
                f"the ledger, which hands out the budget of tenant {self._tenant!r}, does not "
                f"answer, and {why}; try again in a moment"
            )
        for one in entries:
            one.account.lend(amount)
        self._bank.count(self._tenant, "lent")

    def _refusal(self, entry: Entry) -> RequestError:
        self._bank.count(self._tenant, f"refused_{entry.scope}")
        seconds = self._until_tomorrow()
        hours, minutes = divmod(-(-seconds // 60), 60)
        return RequestError(
            f"tenant {self._tenant!r} has ${usd(entry.account.left):.6f} left of its budget of "
            f"${usd(entry.account.limit):g} a day{WHOSE[entry.scope]} "
            f"(spec.budgets.{FIELDS[entry.scope]}), less than this request may cost; it begins "
            f"anew in {hours} h {minutes} min, at 00:00 UTC. Lower max_tokens, ask a cheaper "
            "model, or have the budget raised",
            status=429,
            code="budget_exhausted",
            headers=((b"retry-after", b"%d" % seconds),),
        )

    def _until_tomorrow(self) -> int:
        now = datetime.fromtimestamp(self._bank.now(), UTC)
        midnight = datetime.combine(now.date() + DAY, datetime.min.time(), UTC)
        return max(1, int((midnight - now).total_seconds()) + 1)
