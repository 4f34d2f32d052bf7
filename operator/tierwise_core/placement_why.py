"""Why a Specialist goes where it goes: the choice, and what ruled out cheaper tiers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from tierwise_core.placement import Assignment, Rejection, RejectionCode, Share

__all__ = ["why_there"]

IN_WORDS: Final[Mapping[RejectionCode, str]] = {
    RejectionCode.TOO_SMALL: "too small",
    RejectionCode.NODES_TOO_SMALL: "nodes too small",
    RejectionCode.NO_CAPACITY: "full",
    RejectionCode.LESS_ROOM: "full",
    RejectionCode.NO_NODES: "no nodes",
    RejectionCode.UNKNOWN_TIER: "no such tier",
    RejectionCode.UNKNOWN_GPU: "memory not known",
}
"""What rules a tier out. One that is merely dearer needs no word, nor one the spec leaves out."""


def why_there(
    assignment: Assignment, rejections: Sequence[Rejection], usd_per_gpu_hour: Mapping[str, float]
) -> str:
    """Return the reason of a placement, and which tiers with cheaper GPUs could not be taken.

    >>> from tierwise_core.placement import Share
    >>> from tierwise_core.model_metadata import MemoryBreakdown
    >>> share = Share("h100", 1, 1, 2, 6.0, MemoryBreakdown(1, 1, 1, 1), 10, 6)
    >>> ruled_out = [Rejection("l4", RejectionCode.TOO_SMALL, "needs 40 GiB"),
    ...     Rejection("a100", RejectionCode.NO_CAPACITY, "full"),
    ...     Rejection("b200", RejectionCode.MORE_EXPENSIVE, "dearer")]
    >>> why_there(Assignment((share,)), ruled_out, {"l4": 0.4, "a100": 1.4, "h100": 3, "b200": 6})
    'cheapest; full: a100; too small: l4'
    >>> rest = Share("b200", 1, 1, 3, 18.0, MemoryBreakdown(1, 1, 1, 1), 10, 6)
    >>> why_there(Assignment((rest, share)), ruled_out[2:], {"h100": 3, "b200": 6})
    'room for 2 on h100 only'
    """
    price = usd_per_gpu_hour.get(assignment.tier, 0.0)
    known = [r for r in rejections if r.code in IN_WORDS]
    cheaper = [r for r in known if usd_per_gpu_hour.get(r.tier, 0.0) < price]
    grouped: dict[str, list[str]] = defaultdict(list)
    for rejection in cheaper:
        grouped[IN_WORDS[rejection.code]].append(rejection.tier)
    ruled_out = [f"{word}: {', '.join(sorted(tiers))}" for word, tiers in sorted(grouped.items())]
    allowed = any(rejection.code is RejectionCode.NOT_ALLOWED for rejection in rejections)
    return "; ".join([_choice(assignment, of_some=allowed), *ruled_out])


def _choice(assignment: Assignment, *, of_some: bool) -> str:
    if len(assignment.shares) > 1:
        by_price = sorted(assignment.shares, key=_usd_per_replica)
        room = ", ".join(f"{share.replicas} on {share.tier}" for share in by_price[:-1])
        return f"room for {room} only"
    if assignment.kept and assignment.primary.kept == assignment.primary.replicas:
        return "runs there"
    return "cheapest allowed" if of_some else "cheapest"


def _usd_per_replica(share: Share) -> tuple[float, str]:
    return share.usd_per_hour / max(1, share.replicas), share.tier
