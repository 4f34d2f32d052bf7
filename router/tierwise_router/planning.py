"""From a request to its plan and to its record: what it may spend, what the decision remembers."""

from __future__ import annotations

import math
import re
import time
from typing import Final, NamedTuple

from tierwise_core.money import nano_usd
from tierwise_core.plan_context import PlanContext
from tierwise_core.provider import NO_REQUIREMENTS
from tierwise_core.routing import CascadePlan
from tierwise_core.spending import lower
from tierwise_router.brain import Brain
from tierwise_router.budget import RequestBudget
from tierwise_router.call import ROUTER_HOP, Call
from tierwise_router.contents import write_down
from tierwise_router.decision import Decision
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import RequestError
from tierwise_router.journal_turn import Turn
from tierwise_router.purses.purse import Purse
from tierwise_router.record import was_refused
from tierwise_router.requirements import requirements_for
from tierwise_router.upstream.response import Headers

__all__ = ["TOO_DEAR", "Wishes", "begin", "end", "plan_auto", "read_wishes"]

PREFIX: Final = b"x-tierwise-"
MAX_COST: Final = b"x-tierwise-max-cost-usd"
MAX_HOPS: Final = b"x-tierwise-max-hops"
MAX_CALLS: Final = b"x-tierwise-max-calls"
FLOOR: Final = b"x-tierwise-confidence-floor"
USER: Final = b"x-tierwise-user"
WORKLOAD: Final = b"x-tierwise-workload"
TELLING: Final = frozenset({USER, WORKLOAD})
NAME: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
DOLLARS: Final = "a number of dollars, 0 or more"
PROBABILITY: Final = "a number from 0 to 1"
SHOWN: Final = 40
CLIENT_GONE: Final = 499
TOO_DEAR: Final = "cost"
DIGITS: Final = 9


class Wishes(NamedTuple):
    """What a request asks of its own decision; the policy's limits hold in any case.

    ``routers`` is how many routers have passed it on before, ``user`` whom it is sent for, and
    ``workload`` what its sender calls requests of this kind.
    """

    max_cost_usd: float | None = None
    max_hops: int | None = None
    max_calls: int | None = None
    floor: float | None = None
    routers: int = 0
    user: bytes = b""
    workload: bytes = b""


NO_WISHES: Final = Wishes()


def read_wishes(headers: Headers) -> Wishes:
    """Read the headers that lower what a request may spend, or raise its floor.

    >>> read_wishes([(b"x-tierwise-max-cost-usd", b"0.01"), (b"x-tierwise-max-hops", b"2")])[:3]
    (0.01, 2, None)
    >>> read_wishes([(b"x-tierwise-max-hops", b"none")])
    Traceback (most recent call last):
        ...
    tierwise_router.errors.RequestError: the header x-tierwise-max-hops is 'none'; give a whole \
number of 1 or more
    """
    found = NO_WISHES
    for name, value in headers:
        if not name.startswith(PREFIX):
            continue
        if name == MAX_COST:
            found = found._replace(max_cost_usd=_number(name, value, DOLLARS))
        elif name == MAX_HOPS:
            found = found._replace(max_hops=_whole(name, value))
        elif name == MAX_CALLS:
            found = found._replace(max_calls=_whole(name, value))
        elif name == ROUTER_HOP:
            found = found._replace(routers=_whole(name, value))
        elif name == FLOOR:
            floor = _number(name, value, PROBABILITY)
            if floor > 1:
                raise _wrong(name, value, PROBABILITY)
            found = found._replace(floor=floor)
        elif name in TELLING:
            found = _told_of(found, name, value)
    return found


def _told_of(found: Wishes, name: bytes, value: bytes) -> Wishes:
    if name == USER:
        return found._replace(user=value)
    if not NAME.fullmatch(value):
        raise _wrong(name, value, "up to 63 letters, digits, dots, dashes and underscores")
    return found._replace(workload=value)


def begin(
    dispatcher: Dispatcher,
    decision: Decision,
    brain: Brain,
    call: Call,
    wishes: Wishes = NO_WISHES,
) -> None:
    """Note what a request is, and open its account.

    Raises RequestError (508) for one that goes round and round between routers.
    """
    policy = brain.table.policy.decision
    if wishes.routers >= policy.max_routers:
        raise RequestError(
            f"{wishes.routers} routers have passed this request on to each other, and the policy's "
            f"maxRouters is {policy.max_routers}; one of their external Specialists leads back",
            status=508,
            code="loop_detected",
        )
    decision.model = call.model
    decision.stream = call.stream
    decision.session = call.session
    decision.table = brain.table.version
    decision.user = wishes.user or call.user
    decision.workload = wishes.workload.decode()
    call.admitted = decision.admitted
    limits = brain.limits.lowered(wishes.max_hops, wishes.max_calls, wishes.max_cost_usd)
    tenant = decision.tenant
    if tenant is not None and tenant.budgets.any and decision.purse is None:
        decision.purse = dispatcher.books.open(tenant, decision.user, call.session)
    decision.budget = call.budget = RequestBudget(limits, decision.purse)


def plan_auto(  # noqa: PLR0913 - a request, who asks it, and what it wants
    dispatcher: Dispatcher,
    decision: Decision,
    brain: Brain,
    call: Call,
    text: str,
    *,
    headers: Headers,
    floor: float | None = None,
    field: str | None = None,
    prompt_tokens: int = 0,
    output_tokens: int = 0,
) -> CascadePlan:
    """Plan a request that leaves the choice to us, and remember everything it followed from.

    ``headers`` are the client's own; ``floor`` and ``field`` what its body asks for.
    """
    wishes = read_wishes(headers)
    begin(dispatcher, decision, brain, call, wishes)
    tenant, purse = decision.tenant, decision.purse
    ceiling_usd = purse.ceiling_usd if purse is not None else None
    allowed = frozenset(tenant.specialists) if tenant is not None and tenant.specialists else None
    context = PlanContext(
        session=call.session,
        session_home=dispatcher.homes.get(call.session, "") if call.session else "",
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        allowed=allowed,
        latency_class=decision.latency_class,
        loads=dispatcher.loads,
        max_cost_usd=lower(wishes.max_cost_usd, ceiling_usd),
        max_hops=wishes.max_hops,
        max_calls=wishes.max_calls,
        requirements=requirements_for(
            headers, tenant.requirements if tenant is not None else NO_REQUIREMENTS
        ),
    )
    decision.text, decision.fields = text, call.fields
    decision.plan = brain.plan(
        text,
        floor=wishes.floor if floor is None else floor,
        field=field,
        context=context,
        opinion=dispatcher.opinion.refined if dispatcher.opinion.active else None,
    )
    if purse is not None and ceiling_usd is not None:
        _check_affordable(purse, decision.plan, ceiling_usd, wishes.max_cost_usd)
    return decision.plan


def _check_affordable(
    purse: Purse, plan: CascadePlan, left_usd: float, asked_usd: float | None
) -> None:
    """Refuse (429) where everybody who could be asked is dearer than what is left of a budget."""
    too_dear = any(skip.code == TOO_DEAR for skip in plan.skipped)
    if not plan.hops and too_dear and (asked_usd is None or left_usd < asked_usd):
        raise purse.exhausted()


def end(
    dispatcher: Dispatcher, decision: Decision, endpoint: str, status: int, seconds: float
) -> Turn | None:
    """Note how a request ended; gives the turn of the journal that its decision is written in.

    Of a flood of refusals only some are recorded; what never came as far as one is not at all.
    """
    steps = decision.steps
    if decision.purse is not None:
        decision.purse.settle(nano_usd(decision.cost_usd), cut_short=status == CLIENT_GONE)
    if decision.overflow:
        dispatcher.bursts.note(decision.overflow, steps[-1].usage)
    if decision.session and steps and not steps[-1].failure:
        dispatcher.homes.note(decision.session, steps[-1].hop.route.key)
    now = time.time()
    decision.endpoint, decision.status = endpoint, status
    if dispatcher.journal is None:
        return None
    if was_refused(decision):
        if not dispatcher.refusals.wanted(now):
            return None
    elif not (steps or decision.plan is not None or decision.pattern):
        return None
    decision.seconds, decision.ended_at = seconds, now
    turn = dispatcher.journal.turn
    write_down(turn, dispatcher.contents, decision)
    return turn


def _number(name: bytes, value: bytes, right: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise _wrong(name, value, right) from None
    if not math.isfinite(number) or number < 0:
        raise _wrong(name, value, right)
    return number


def _whole(name: bytes, value: bytes) -> int:
    if not value.isdigit() or len(value) > DIGITS or not int(value):
        raise _wrong(name, value, "a whole number of 1 or more")
    return int(value)


def _wrong(name: bytes, value: bytes, right: str) -> RequestError:
    shown = value.decode("latin-1")[:SHOWN]
    header = name.decode()
    return RequestError(
        f"the header {header} is {shown!r}; give {right}", param=header, code="invalid_header"
    )
