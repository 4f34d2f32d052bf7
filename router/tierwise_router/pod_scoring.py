"""Picks a Specialist's pod by the policy's scorers, where the policy weighs what pods have cached.

Without such a weight the balancer's own rule holds: two at random, homes for sessions and prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Self

from tierwise_core.load_signal import LoadSignal
from tierwise_core.policy_decision import ScorerWeight
from tierwise_core.scoring import BUILT_IN_SCORERS, Facts, Weighted
from tierwise_router.endpoint_load import EndpointLoad
from tierwise_router.spreading import spread

__all__ = ["PodScoring"]

OF_PODS: Final = frozenset({"adapter-residency", "load", "prefix-cache", "session-affinity"})
ASKS_FOR_PODS: Final = "prefix-cache"
REMEMBERED: Final = 1024


class PodScoring:
    """The scorers of a policy that speak of pods, with their weights among each other."""

    __slots__ = ("_weighted",)

    def __init__(self, weighted: Weighted) -> None:
        self._weighted = weighted

    @classmethod
    def of(cls, scorers: Iterable[ScorerWeight]) -> Self | None:
        """Take a policy's scorers; None where it does not weigh what pods have cached.

        >>> PodScoring.of([ScorerWeight("cost", 1)]) is None
        True
        >>> PodScoring.of([ScorerWeight("load", 1), ScorerWeight("prefix-cache", 3)]) is None
        False
        """
        used = [one for one in scorers if one.name in OF_PODS and one.weight > 0]
        if not any(one.name == ASKS_FOR_PODS for one in used):
            return None
        return cls(Weighted.of(used, BUILT_IN_SCORERS))

    def pick(
        self, loads: Sequence[EndpointLoad], session: bytes, prefix: bytes, *, adapter: bool
    ) -> EndpointLoad:
        """Pick the pod with the highest score; of equals the key's own, else the less busy one."""
        key = session or prefix
        home = max(loads, key=lambda load: spread(key + load.target.authority)) if session else None

        def rank(load: EndpointLoad) -> tuple[float, int, int]:
            facts = Facts(
                name=load.target.url,
                load=LoadSignal(load.in_flight, 1, load.engine.waiting, load.engine.kv_usage),
                prefix_share=float(prefix in load.prefixes) if prefix else None,
                session_home=None if home is None else load is home,
                adapter_resident=True if adapter else None,
            )
            busy = load.in_flight + load.engine.waiting
            return self._weighted.total(facts), -busy, spread(key + load.target.authority)

        picked = max(loads, key=rank)
        if prefix:
            _remember(picked, prefix)
        return picked


def _remember(load: EndpointLoad, prefix: bytes) -> None:
    """Note that a pod has read a prompt's beginning; the beginnings read long ago are forgotten."""
    seen = load.prefixes
    seen.pop(prefix, None)
    seen[prefix] = None
    if len(seen) > REMEMBERED:
        del seen[next(iter(seen))]
