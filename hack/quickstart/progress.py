"""Watching models come up, and saying what each is doing."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from localcluster.console import say, step
from quickstart.target import StepError, Target

_LOOK_EVERY_SECONDS = 2.0
# Reasons that waiting does not mend: the quickstart's own manifests never lead there.
_HOPELESS = {"NoTierFits", "UnknownTier", "UnknownArchitecture", "SourceNotFound", "ParentCycle"}


@dataclass(frozen=True, slots=True)
class Sight:
    """What a Specialist's status says at a moment.

    `is_ready` also holds for one that somebody scaled to zero: it is as it was asked to be.
    """

    name: str
    is_ready: bool
    reason: str
    message: str

    @staticmethod
    def of(specialist: Mapping[str, Any]) -> "Sight":
        """Read the Ready condition; an object without status has not been seen yet.

        >>> Sight.of({"metadata": {"name": "sorter"}}).reason
        'Unseen'
        """
        name = specialist["metadata"]["name"]
        for condition in specialist.get("status", {}).get("conditions", []):
            if condition["type"] == "Ready":
                is_ready = condition["status"] == "True" or condition["reason"] == "ScaledToZero"
                return Sight(name, is_ready, condition["reason"], condition["message"])
        return Sight(name, is_ready=False, reason="Unseen", message="the operator has not seen it")


def wait_until_ready(target: Target, names: Iterable[str], seconds: float) -> None:
    """Wait for the Specialists, naming each one that becomes ready.

    Raises StepError with every message of those that do not, as soon as one cannot.
    """
    wanted = set(names)
    deadline = time.monotonic() + seconds
    with step(f"load {len(wanted)} models") as detail:
        while True:
            sights = [s for s in look(target) if s.name in wanted]
            ready = {s.name for s in sights if s.is_ready}
            detail(describe(sights, len(wanted)))
            if ready == wanted:
                return
            stop_if_hopeless(sights, is_late=time.monotonic() > deadline)
            time.sleep(_LOOK_EVERY_SECONDS)


def look(target: Target) -> list[Sight]:
    """Every Specialist's Ready condition."""
    return [Sight.of(specialist) for specialist in target.listed("specialists")]


def describe(sights: Iterable[Sight], wanted: int) -> str:
    """One line for a person.

    >>> describe([Sight("a", True, "Ready", ""), Sight("b", False, "PodsStarting", "")], 2)
    '1 of 2 ready; b: PodsStarting'
    """
    every = list(sights)
    waiting = [f"{s.name}: {s.reason}" for s in every if not s.is_ready]
    ready = sum(s.is_ready for s in every)
    return "; ".join([f"{ready} of {wanted} ready", *waiting])


def stop_if_hopeless(sights: Iterable[Sight], *, is_late: bool) -> None:
    """Raise when a Specialist cannot become ready, or the time is up."""
    stuck = [s for s in sights if not s.is_ready and (is_late or s.reason in _HOPELESS)]
    if stuck:
        told = "\n".join(f"  {s.name}: {s.reason}: {s.message}" for s in stuck)
        raise StepError(f"not ready:\n{told}\nLook: kubectl describe specialist {stuck[0].name}")


def announce(lines: Iterable[str]) -> None:
    """Print lines of result."""
    for line in lines:
        say(line)
