"""A budget of one day that this dispatcher spends from, and how it is to be told of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tierwise_core.budget_account import BudgetAccount
from tierwise_core.budget_lease import Ask
from tierwise_core.budgets import Budgets

__all__ = ["Entry"]

IDLE_S: Final = 30.0
TOLD_EVERY_S: Final = 5.0
CALLS_AHEAD: Final = 8
MOST_SHARE: Final = 20


@dataclass(slots=True, eq=False)
class Entry:
    """One budget: ``waiting`` is what the requests need that wait for it.

    ``largest`` is the dearest call so far: the lease should be enough for a few of them.
    """

    day: str
    name: str
    tenant: str
    scope: str
    rules: Budgets
    account: BudgetAccount
    touched_at: float
    waiting: int = 0
    largest: int = 0
    told_at: float = 0.0
    told_spent: int = 0
    returned: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """What is unique among budgets."""
        return self.day, self.name

    @property
    def wanted(self) -> int:
        """How much should be in hand: for some calls, and for what the last seconds took twice."""
        recent = self.account.spent - self.told_spent
        most = self.account.limit // MOST_SHARE
        return min(most, max(CALLS_AHEAD * self.largest, 2 * recent))

    def due(self, now: float) -> bool:
        """Tell whether the ledger should hear of it now."""
        account = self.account
        if self.waiting > max(0, account.available):
            return True
        if now - self.touched_at > IDLE_S:
            return not self.returned
        since = now - self.told_at
        if account.spent != self.told_spent and since >= TOLD_EVERY_S:
            return True
        return account.left > 0 and account.available < self.wanted // 2 and since >= 1.0

    def ask(self, now: float, *, closing: bool = False) -> Ask:
        """Make what is told; what nobody has spent from for a while is given back."""
        idle = closing or now - self.touched_at > IDLE_S
        self.told_at, self.told_spent = now, self.account.spent
        self.returned = idle
        if idle and not self.waiting:
            return self.account.ask(keep=0)
        missing = max(0, self.wanted - self.account.available)
        return self.account.ask(missing, self.waiting)

    def to_json(self, ask: Ask) -> dict[str, Any]:
        """Tell an ask as the ledger reads it."""
        return {
            "day": self.day, "account": self.name, "tenant": self.tenant, "scope": self.scope,
            "number": ask.number, "limit": ask.limit, "base": ask.base, "spent": ask.spent,
            "want": ask.want, "need": ask.need,
            "alertAt": list(self.rules.alert_at) if self.scope == "day" else [],
        }  # fmt: skip
