"""What a Specialist's Rollouts ordered: stages and shares, as the audit has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["ordered", "rollouts_of", "sides_in"]

STEP: Final = "shifted"
LINED_UP: Final = "lined-up"
OVER: Final = frozenset({"Complete", "RolledBack", "Aborted"})

Event = Mapping[str, Any]


def rollouts_of(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Tell how each Rollout stands, the newest first, from events of which the newest is first.

    >>> step = {"at": 5.0, "action": "shifted", "rollout": "Rollout/demo/r2",
    ...         "detail": {"stage": "Canary", "green_percent": 5, "reason": "Examined"}}
    >>> rollouts_of([step])
    [{'rollout': 'Rollout/demo/r2', 'stage': 'Canary', 'greenPercent': 5, 'since': 5.0, \
'why': 'Examined', 'over': False}]
    """
    newest: dict[str, Event] = {}
    for event in events:
        if event["action"] == STEP:
            newest.setdefault(event["rollout"], event)
    return [
        {
            "rollout": name,
            "stage": event["detail"].get("stage"),
            "greenPercent": event["detail"].get("green_percent"),
            "since": _since(events, name, event),
            "why": event["detail"].get("reason", ""),
            "over": event["detail"].get("stage") in OVER,
        }
        for name, event in newest.items()
    ]


def sides_in(events: Sequence[Event]) -> dict[str, str]:
    """Tell of revisions whether they are blue or green, by the newest Rollout that has them.

    >>> def lined_up(rollout, blue, green):
    ...     detail = {"blue": [blue], "green": [green]}
    ...     return {"at": 5.0, "action": "lined-up", "rollout": rollout, "detail": detail}
    >>> sides_in([lined_up("Rollout/demo/r3", "r2", "r3"), lined_up("Rollout/demo/r2", "r1", "r2")])
    {'r2': 'blue', 'r3': 'green', 'r1': 'blue'}
    """
    found: dict[str, str] = {}
    for event in events:
        for side in ("blue", "green") if event["action"] == LINED_UP else ():
            for revision in event["detail"].get(side) or ():
                found.setdefault(revision, side)
    return found


def _since(events: Sequence[Event], name: str, newest: Event) -> float:
    """The moment at which the present stage began."""
    since = newest["at"]
    for event in events:
        if event["action"] != STEP or event["rollout"] != name:
            continue
        if event["detail"].get("stage") != newest["detail"].get("stage"):
            break
        since = event["at"]
    return float(since)


def ordered(events: Sequence[Event], begins: Sequence[int], length_s: int) -> list[float | None]:
    """Give the candidate's share, 0 to 1, that held at the end of each piece of time.

    None where no rollout was under way.

    >>> def step(at, stage, percent):
    ...     detail = {"stage": stage, "green_percent": percent}
    ...     return {"at": at, "action": "shifted", "rollout": "r", "detail": detail}
    >>> ordered([step(35, "Aborted", 0), step(12, "Canary", 5)], range(0, 50, 10), 10)
    [None, 0.05, 0.05, None, None]
    """
    steps = sorted((one for one in events if one["action"] == STEP), key=lambda one: one["at"])
    told: list[float | None] = []
    share: float | None = None
    at = 0
    for begin in begins:
        while at < len(steps) and steps[at]["at"] < begin + length_s:
            share = _share(steps[at]["detail"])
            at += 1
        told.append(share)
    return told


def _share(detail: Mapping[str, Any]) -> float | None:
    percent = detail.get("green_percent")
    return None if detail.get("stage") in OVER or percent is None else percent / 100
