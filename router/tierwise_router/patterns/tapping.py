"""Where shadows meet the request's way: a copy of what the client gets, handed over at the end."""

from __future__ import annotations

from tierwise_core.policy_patterns import PatternsPolicy
from tierwise_router.call import Call
from tierwise_router.decision import Decision
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.exchange import Exchange
from tierwise_router.patterns.shadows import Answer
from tierwise_router.requirements import KEPT_HEADERS

__all__ = ["offer_to_shadows", "tap_for_shadows"]

OK = 200


def tap_for_shadows(
    dispatcher: Dispatcher, exchange: Exchange, decision: Decision, policy: PatternsPolicy
) -> None:
    """Begin to keep what the client gets, if a shadow may want it. Our own work has no shadows."""
    shadows = dispatcher.shadows
    if shadows is not None and exchange.work() is None:
        exchange.tap = [] if shadows.wanted(policy, decision.id) else None


def offer_to_shadows(
    dispatcher: Dispatcher,
    exchange: Exchange,
    decision: Decision,
    policy: PatternsPolicy,
    call: Call,
) -> None:
    """Hand a whole answer over to whom it concerns."""
    if dispatcher.shadows is None or exchange.status != OK or not decision.steps:
        return
    answer = Answer(
        path=exchange.path,
        fields=call.fields,
        model=call.model,
        specialist=decision.steps[-1].hop.route.key,
        decision=decision.id.decode(),
        body=b"".join(exchange.tap or ()),
        tenant_key=decision.admitted.tenant_key,
        headers=[pair for pair in exchange.headers if pair[0] in KEPT_HEADERS],
    )
    dispatcher.shadows.answered(policy, answer)
