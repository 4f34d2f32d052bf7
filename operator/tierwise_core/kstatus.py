"""Health as GitOps tools read it: the conditions of kstatus, which Flux and others wait by.

Their reader asks in this order: an ``observedGeneration`` that is behind is in progress; then
``Reconciling`` is in progress, ``Stalled`` has failed; then ``Ready`` is current or in progress.
Both conditions are there only while they are True. Argo CD's checks (examples/gitops) read the same
conditions, so that all of them say the same.

A Specialist whose candidate was rejected serves, so it is Ready; but what git asks for is not what
runs, so it is Stalled too, until the spec changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from tierwise_core.conditions import BROKEN, FALSE, TRUE, Verdict
from tierwise_core.rollout.stages import FINAL, Stage
from tierwise_core.sides import Sides
from tierwise_core.stable import model_digest

__all__ = [
    "RECONCILING",
    "STALLED",
    "rollout_health",
    "specialist_health",
    "under_way",
    "with_health",
]

RECONCILING = "Reconciling"
STALLED = "Stalled"

_SERVES = frozenset({Stage.PROMOTED, Stage.COMPLETE})
_FAILED = (FINAL | {Stage.ROLLING_BACK}) - _SERVES


def rollout_health(stage: Stage, reason: str, why: str, waits_for: str = "") -> tuple[Verdict, ...]:
    """Give a Rollout's ``Ready``, and what kstatus wants beside it.

    Ready when green serves everybody, also while blue is still warm. A candidate that went back
    has failed; all else is on its way, also what waits for a person.

    >>> for verdict in rollout_health(Stage.PAUSED, "Paused", "paused was set"):
    ...     print(verdict.type, verdict.status, verdict.reason)
    Reconciling True Paused
    Ready False Paused
    """
    said = f"{stage}: {waits_for or why}" if waits_for or why else stage.value
    word = reason or stage.value
    if stage in _SERVES:
        return (Verdict("Ready", TRUE, word, said),)
    kind = STALLED if stage in _FAILED else RECONCILING
    return (Verdict(kind, TRUE, word, said), Verdict("Ready", FALSE, word, said))


def specialist_health(
    ready: Verdict, rollout: str = "", rejected: Verdict | None = None
) -> tuple[Verdict, ...]:
    """Give what kstatus wants beside a Specialist's ``Ready``: one condition, or none.

    ``rollout`` tells of the Rollout under way, in words; ``rejected`` is ``RolloutRejected``.

    >>> serves = Verdict("Ready", TRUE, "Ready", "2 replicas serve")
    >>> specialist_health(serves)
    ()
    >>> (moving,) = specialist_health(serves, "sorter-5d8f: Canary, 5 % to green")
    >>> moving.type, moving.reason
    ('Reconciling', 'RolloutInProgress')
    >>> rejected = Verdict("RolloutRejected", TRUE, "UtilityRegression", "revision 5d8f: worse")
    >>> specialist_health(serves, rejected=rejected)[0].type
    'Stalled'
    """
    if rollout:
        return (Verdict(RECONCILING, TRUE, "RolloutInProgress", rollout),)
    if rejected is not None and rejected.status == TRUE:
        return (Verdict(STALLED, TRUE, "RolloutRejected", rejected.message),)
    if ready.status == FALSE and ready.reason in BROKEN:
        return (Verdict(STALLED, TRUE, ready.reason, ready.message),)
    return ()


def with_health(verdicts: Sequence[Verdict], rollout: str = "") -> tuple[Verdict, ...]:
    """Add to a Specialist's verdicts, of which ``Ready`` is the last, what kstatus wants beside it.

    >>> missing = Verdict("Ready", FALSE, "NoTierFits", "needs 80 GiB")
    >>> [verdict.type for verdict in with_health([missing])]
    ['Stalled', 'Ready']
    """
    *others, ready = verdicts
    rejected = next((one for one in others if one.type == "RolloutRejected"), None)
    return (*others, *specialist_health(ready, rollout, rejected), ready)


def under_way(sides: Sides | None) -> str:
    """Tell of the rollout of a Specialist in words; empty where it runs what its spec asks for.

    From the moment the spec is seen: were its Rollout awaited first, a reader would find the old
    model ready under the new generation, and take the change for done.
    """
    if sides is None or sides.stable is None or sides.spec.model is None:
        return ""
    order = sides.order
    if order is not None:
        share = f"{order.percent} % of the requests to the candidate"
        return "" if order.promoted else f"Rollout {order.name} is {order.stage}, {share}"
    if sides.opens:
        return f"Rollout {sides.opens} begins"
    wanted = model_digest(sides.spec.model, sides.stable.model)
    return "" if sides.stable.answers == wanted else "spec.model is tried once blue serves"
