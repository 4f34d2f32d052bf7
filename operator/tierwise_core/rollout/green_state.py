"""What a rollout needs to know of the pods of its two sides."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NO_SIDES", "GreenState"]


@dataclass(frozen=True, slots=True)
class GreenState:
    """The two sides of one Specialist as its pods show them now.

    Attributes:
        ready: whether green serves with as many pods as its share asks for, at least one.
        fault: why green does not serve and will not by itself, such as an image that cannot be
            pulled; empty while it may yet.
        no_room: why there is no room for green beside blue, with the cheapest way out in numbers.
        refused: why the candidate cannot be tried at all: it is what runs already, or fits no tier.
        superseded: the revision of ``spec.model`` that has replaced this candidate meanwhile;
            empty while it is wanted, and always for a Rollout that somebody made by hand.
        blue_revisions: the revisions that blue's requests go to; more than one on several tiers.
        green_revisions: likewise of green.
        blue_urls: where blue answers, ready pods only.
        green_urls: likewise of green.
        blue_stays: whether blue can take everything back at once: a pod of it is ready.
        carries_percent: the largest share that green's ready pods can carry, of what blue's carry.
    """

    ready: bool = False
    fault: str = ""
    no_room: str = ""
    refused: str = ""
    superseded: str = ""
    blue_revisions: tuple[str, ...] = ()
    green_revisions: tuple[str, ...] = ()
    blue_urls: tuple[str, ...] = ()
    green_urls: tuple[str, ...] = ()
    blue_stays: bool = False
    carries_percent: int = 0


NO_SIDES = GreenState()
"""Nothing is known yet: neither side serves."""
