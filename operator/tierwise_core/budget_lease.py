"""Budgets that many routers spend from at once, without asking for each request.

The ledger hands out leases: parts of a budget that one holder may spend by itself. It never hands
out more than the budget, all holders together, and a holder spends no more than it has; so the
budget holds whatever is lost, late, doubled or killed on the way. What a killed holder had not
spent stays handed out until the day ends: a budget is never overspent for a crash.

Two things can go beyond. A call that costs more than was set aside for it, which is known only when
it has ended; and, where the tenant allows it, what holders lend themselves while the ledger does
not answer. Both are counted against the budget as soon as they are known.

Amounts are nano-USD. A holder numbers what it asks; the ledger heeds only the newest number, and
the holder only the answer to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["NO_LEASE", "Ask", "Lease", "grant"]

PART: Final = 4
"""A lease is at most this part of what is left, so that many holders find some of it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a holder tells and asks of one budget.

    ``number`` grows with each ask. ``base`` is what it has been given so far and does not give
    back: never less than what it ``spent`` and set aside. ``want`` is how much more it would like
    for a while, ``need`` how much more a request that waits costs.
    """

    number: int
    limit: int
    base: int
    spent: int = 0
    want: int = 0
    need: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """What a holder has been given of a budget in all, and what of it is known to be spent."""

    granted: int = 0
    spent: int = 0
    number: int = 0


NO_LEASE: Final = Lease()


def grant(ask: Ask, lease: Lease, others: int) -> Lease:
    """Answer an ask; ``others`` is what all other holders have been given.

    Ten dollars, of which others have six: this holder gets a quarter of what is left, and all of it
    when a request waits for that much.

    >>> grant(Ask(1, limit=10, base=0, want=8), NO_LEASE, others=6).granted
    1
    >>> grant(Ask(1, limit=10, base=0, want=8, need=4), NO_LEASE, others=6).granted
    4
    >>> grant(Ask(1, limit=10, base=0, want=8, need=5), NO_LEASE, others=6).granted
    1

    What comes late changes nothing; what comes back is there for the others:

    >>> grant(Ask(1, limit=10, base=9), Lease(3, 2, number=2), others=0)
    Lease(granted=3, spent=2, number=2)
    >>> grant(Ask(3, limit=10, base=2, spent=2), Lease(9, 2, number=2), others=0)
    Lease(granted=2, spent=2, number=3)
    """
    if ask.number <= lease.number:
        return lease
    left = max(0, ask.limit - others - ask.base)
    wanted = max(ask.want, ask.need)
    # What does not cover the request that waits would only lie idle with this holder.
    least = ask.need if ask.need <= left else 0
    more = min(left, wanted, max(least, left // PART))
    return Lease(ask.base + more, max(lease.spent, ask.spent), ask.number)
