"""From a request to its plan and to its record: what it may spend, what the decision remembers."""

from __future__ import annotations

import math
import time
from typing import Final, NamedTuple

from tierwise_core.plan_context import PlanContext
from tierwise_core.provider import NO_REQUIREMENTS
from tierwise_core.routing import CascadePlan
from tierwise_router.brain import Brain
from tierwise_router.budget import RequestBudget
from tierwise_router.call import ROUTER_HOP, Call
from tierwise_router.decision import Decision
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import RequestError
from tierwise_router.requirements import requirements_for
from tierwise_router.upstream.response import Headers

__all__ = ["Wishes", "begin", "end", "plan_auto", "read_wishes"]

PREFIX: Final = b"x-tierwise-"
MAX_COST: Final = b"x-tierwise-max-cost-usd"
MAX_HOPS: Final = b"x-tierwise-max-hops"
MAX_CALLS: Final = b"x-tierwise-max-calls"
FLOOR: Final = b"x-tierwise-confidence-floor"
DOLLARS: Final = "a number of dollars, 0 or more"
PROBABILITY: Final = "a number from 0 to 1"
SHOWN: Final = 40
DIGITS: Final = 9


class Wishes(NamedTuple):
    """What a request asks of its own decision; the policy's limits hold in any case.

    ``routers`` is how many routers have passed it on before.
    """

    max_cost_usd: float | None = None
    max_hops: int | None = None
    max_calls: int | None = None
    floor: float | None = None
    routers: int = 0


NO_WISHES: Final = Wishes()


def read_wishes(headers: Headers) -> Wishes:
    """Read the headers that lower what a request may spend, or raise its floor.

    >>> read_wishes([(b"x-tierwise-max-cost-usd", b"0.01"), (b"x-tierwise-max-hops", b"2")])
    Wishes(max_cost_usd=0.01, max_hops=2, max_calls=None, floor=None, routers=0)
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
    return found


def begin(decision: Decision, brain: Brain, call: Call, wishes: Wishes = NO_WISHES) -> None:
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
    call.admitted = decision.admitted
    limits = brain.limits.lowered(wishes.max_hops, wishes.max_calls, wishes.max_cost_usd)
    decision.budget = call.budget = RequestBudget(limits)


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
    begin(decision, brain, call, wishes)
    tenant = decision.tenant
    allowed = frozenset(tenant.specialists) if tenant is not None and tenant.specialists else None
    context = PlanContext(
        session=call.session,
        session_home=dispatcher.homes.get(call.session, "") if call.session else "",
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        allowed=allowed,
        latency_class=decision.latency_class,
        loads=dispatcher.loads,
        max_cost_usd=wishes.max_cost_usd,
        max_hops=wishes.max_hops,
        max_calls=wishes.max_calls,
        requirements=requirements_for(
            headers, tenant.requirements if tenant is not None else NO_REQUIREMENTS
        ),
    )
    decision.text = text
    decision.plan = brain.plan(
        text,
        floor=wishes.floor if floor is None else floor,
        field=field,
        context=context,
        opinion=dispatcher.opinion.refined if dispatcher.opinion.active else None,
    )
    return decision.plan


def end(
    dispatcher: Dispatcher, decision: Decision, endpoint: str, status: int, seconds: float
) -> None:
    """Note how a request ended and hand the decision to the journal: an append, no more.

    What never came as far as a plan or a Specialist decided nothing, and is not recorded.
    """
    steps = decision.steps
    if decision.overflow:
        dispatcher.bursts.note(decision.overflow, steps[-1].usage)
    if decision.session and steps and not steps[-1].failure:
        dispatcher.homes.note(decision.session, steps[-1].hop.route.key)
    if dispatcher.journal is None or not (steps or decision.plan is not None):
        return
    decision.endpoint, decision.status = endpoint, status
    decision.seconds, decision.ended_at = seconds, time.time()
    dispatcher.journal.record(decision)


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
