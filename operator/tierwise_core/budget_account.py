"""One budget as one of its holders sees it: what it may spend without asking anybody."""

from __future__ import annotations

from tierwise_core.budget_lease import Ask

__all__ = ["BudgetAccount"]


class BudgetAccount:
    """A holder's part of a budget; amounts are nano-USD.

    Before a call its expected price is set aside, afterwards it is settled with the real one.
    ``allowance`` is what it may lend itself in all while the ledger is away.

    >>> account = BudgetAccount(limit=100, allowance=10)
    >>> account.reserve(5)
    False
    >>> ask = account.ask(want=40, need=5)
    >>> ask.number, ask.base, ask.need
    (1, 0, 5)
    >>> account.told(number=1, granted=25, taken=80)
    True
    >>> account.reserve(5), account.available, account.left
    (True, 20, 40)
    >>> account.settle(reserved=5, spent=7)
    >>> account.available, account.spent
    (18, 7)
    """

    __slots__ = (
        "allowance",
        "elsewhere",
        "granted",
        "lent",
        "limit",
        "number",
        "reserved",
        "spent",
    )

    def __init__(self, limit: int, allowance: int = 0) -> None:
        self.limit = limit
        self.allowance = allowance
        self.granted = 0
        self.spent = 0
        self.reserved = 0
        self.lent = 0
        self.number = 0
        self.elsewhere = 0

    @property
    def available(self) -> int:
        """What can be set aside now; below 0 after calls that cost more than expected."""
        return self.granted - self.spent - self.reserved

    @property
    def left(self) -> int:
        """What is left of the whole budget for this holder, as far as it was told."""
        return max(0, self.limit - self.elsewhere - self.spent - self.reserved)

    def reserve(self, amount: int) -> bool:
        """Set an amount aside, if there is that much."""
        if self.available < amount:
            return False
        self.reserved += amount
        return True

    def settle(self, reserved: int, spent: int) -> None:
        """Put in the place of what was set aside what was really spent."""
        self.reserved -= reserved
        self.spent += spent

    def can_lend(self, amount: int) -> bool:
        """Tell whether an amount could be set aside with what is left of the allowance."""
        return self.lent + max(0, amount - self.available) <= self.allowance

    def lend(self, amount: int) -> bool:
        """Set an amount aside that nobody gave, out of the allowance, if that is enough for it."""
        if not self.can_lend(amount):
            return False
        missing = max(0, amount - self.available)
        self.lent += missing
        self.granted += missing
        self.reserved += amount
        return True

    def ask(self, want: int = 0, need: int = 0, *, keep: int | None = None) -> Ask:
        """Make the next thing to tell the ledger; with ``keep``, give back what is above that."""
        self.number += 1
        taken = self.spent + self.reserved
        if keep is not None:
            # From this moment it is not ours, whether or not the ledger hears of it.
            self.granted = min(self.granted, taken + keep)
        self.granted = max(self.granted, taken)
        missing = max(0, need - self.available)
        return Ask(self.number, self.limit, self.granted, self.spent, want, missing)

    def told(self, number: int, granted: int, taken: int) -> bool:
        """Take the ledger's answer: what we were given, and all holders together.

        False for an answer to anything but the last ask: it counts no more.
        """
        if number != self.number:
            return False
        # Calls may have cost more than expected since.
        self.granted = max(granted, self.spent + self.reserved)
        self.elsewhere = max(0, taken - granted)
        return True
