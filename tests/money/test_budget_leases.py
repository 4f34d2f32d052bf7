"""A budget that several routers spend from holds, whatever becomes of them and their messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tierwise_core.budget_account import BudgetAccount
from tierwise_core.budget_lease import NO_LEASE, Ask, Lease, grant

amounts = st.integers(1, 20)
places = st.integers(0, 2)
LIMIT = 20


@dataclass
class Holder:
    """A dispatcher: its account, and what it set aside for calls in progress."""

    name: int
    account: BudgetAccount
    in_flight: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """What the ledger sent back."""

    holder: int
    number: int
    granted: int
    taken: int


class Budget(RuleBasedStateMachine):
    """Holders that spend, die and come back; a ledger; and a network that does as it likes."""

    allowance = 0

    @initialize(count=st.integers(1, 3))
    def begin(self, count: int) -> None:
        self.named = 0
        self.holders = [self.newcomer() for _ in range(count)]
        self.leases: dict[int, Lease] = {}
        self.asks: list[tuple[int, Ask]] = []
        self.answers: list[Answer] = []
        self.had_by_the_dead = 0
        self.beyond = 0
        self.lent = 0

    def newcomer(self) -> Holder:
        self.named += 1
        return Holder(self.named, BudgetAccount(LIMIT, self.allowance))

    def at(self, place: int) -> Holder:
        return self.holders[place % len(self.holders)]

    @rule(place=places, amount=amounts)
    def a_call_begins(self, place: int, amount: int) -> None:
        holder = self.at(place)
        if holder.account.reserve(amount):
            holder.in_flight.append(amount)

    @rule(place=places, spent=st.integers(0, 30))
    def a_call_ends(self, place: int, spent: int) -> None:
        holder = self.at(place)
        if holder.in_flight:
            reserved = holder.in_flight.pop()
            holder.account.settle(reserved, spent)
            self.beyond += max(0, spent - reserved)

    @rule(place=places, want=st.integers(0, LIMIT), need=amounts)
    def a_holder_asks(self, place: int, want: int, need: int) -> None:
        holder = self.at(place)
        self.asks.append((holder.name, holder.account.ask(want, need)))

    @rule(place=places, need=amounts)
    def a_holder_asks_and_is_answered_at_once(self, place: int, need: int) -> None:
        holder = self.at(place)
        self.tell(holder, holder.account.ask(need, need))

    @rule(place=places, keep=st.integers(0, 5))
    def a_holder_gives_back(self, place: int, keep: int) -> None:
        holder = self.at(place)
        self.asks.append((holder.name, holder.account.ask(keep=keep)))

    @rule(place=places)
    def a_holder_gives_back_and_is_heard(self, place: int) -> None:
        holder = self.at(place)
        self.tell(holder, holder.account.ask(keep=0))

    @rule(at=st.integers(0, 6), doubled=st.booleans())
    def the_ledger_hears_one(self, at: int, *, doubled: bool) -> None:
        if not self.asks:
            return
        at %= len(self.asks)
        name, ask = self.asks[at] if doubled else self.asks.pop(at)
        others = sum(lease.granted for other, lease in self.leases.items() if other != name)
        lease = self.leases[name] = grant(ask, self.leases.get(name, NO_LEASE), others)
        # It answers to what it heard: of an old ask with what the newest has come to.
        self.answers.append(Answer(name, ask.number, lease.granted, others + lease.granted))

    @rule(at=st.integers(0, 6), doubled=st.booleans())
    def an_answer_arrives(self, at: int, *, doubled: bool) -> None:
        if not self.answers:
            return
        at %= len(self.answers)
        answer = self.answers[at] if doubled else self.answers.pop(at)
        for holder in self.holders:
            if holder.name == answer.holder:
                holder.account.told(answer.number, answer.granted, answer.taken)

    @rule(at=st.integers(0, 6), of_asks=st.booleans())
    def a_message_is_lost(self, at: int, *, of_asks: bool) -> None:
        waiting: list[object] = self.asks if of_asks else self.answers  # type: ignore[assignment]
        if waiting:
            waiting.pop(at % len(waiting))

    @rule(place=places)
    def a_holder_is_killed_and_starts_again(self, place: int) -> None:
        place %= len(self.holders)
        dead = self.holders[place].account
        # Whatever it had may have been spent, for all that anybody knows.
        self.had_by_the_dead += dead.granted
        self.lent += dead.lent
        self.holders[place] = self.newcomer()

    @invariant()
    def no_more_is_spent_than_the_budget_and_what_calls_cost_beyond_their_price(self) -> None:
        living = [holder.account for holder in self.holders]
        lent = self.lent + sum(account.lent for account in living)
        may = sum(max(one.granted, one.spent + one.reserved) for one in living)
        assert may + self.had_by_the_dead <= LIMIT + self.beyond + lent

    def teardown(self) -> None:
        """In the end, with everybody alive and heard, nothing is left lying about."""
        self.asks.clear()
        self.answers.clear()
        for holder in self.holders:
            holder.in_flight.clear()
            holder.account.settle(holder.account.reserved, 0)
            self.tell(holder, holder.account.ask(keep=0))
            assert holder.account.granted == holder.account.spent
        first = self.holders[0]
        others = sum(one.granted for name, one in self.leases.items() if name != first.name)
        left = max(0, LIMIT - others - first.account.granted)
        self.tell(first, first.account.ask(need=left))
        assert first.account.available >= left

    def tell(self, holder: Holder, ask: Ask) -> None:
        others = sum(one.granted for name, one in self.leases.items() if name != holder.name)
        lease = self.leases[holder.name] = grant(
            ask, self.leases.get(holder.name, NO_LEASE), others
        )
        holder.account.told(ask.number, lease.granted, others + lease.granted)


class BudgetWithoutItsLedger(Budget):
    """The same, where holders may lend themselves something when nobody answers."""

    allowance = 8

    @rule(place=places, amount=amounts)
    def a_call_begins_though_the_ledger_is_away(self, place: int, amount: int) -> None:
        holder = self.at(place)
        if holder.account.lend(amount):
            holder.in_flight.append(amount)

    @invariant()
    def each_start_of_a_holder_lends_itself_no_more_than_its_allowance(self) -> None:
        assert all(0 <= holder.account.lent <= self.allowance for holder in self.holders)


TestBudget = Budget.TestCase
TestBudget.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestBudgetWithoutItsLedger = BudgetWithoutItsLedger.TestCase
TestBudgetWithoutItsLedger.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)


def test_what_calls_cost_beyond_their_price_is_taken_from_what_is_left() -> None:
    account, lease = BudgetAccount(LIMIT), NO_LEASE
    for _ in range(LIMIT):
        ask = account.ask(want=10, need=2)
        lease = grant(ask, lease, others=0)
        account.told(ask.number, lease.granted, lease.granted)
        if not account.reserve(2):
            break
        account.settle(2, 7)
    # Only the last call could go beyond, by what it cost more than expected.
    assert LIMIT - 2 < account.spent <= LIMIT + 5


def test_a_lease_leaves_some_for_the_others() -> None:
    first = grant(Ask(1, LIMIT, 0, want=LIMIT), NO_LEASE, others=0)
    second = grant(Ask(1, LIMIT, 0, want=LIMIT), NO_LEASE, others=first.granted)
    assert (first.granted, second.granted) == (5, 3)


def test_a_limit_that_was_lowered_below_what_is_handed_out_gives_nothing_more() -> None:
    lease = grant(Ask(4, 5, 8, want=10, need=1), Lease(8, 0, 3), others=0)
    assert lease.granted == 8
