"""The scorers that a policy may name: the built-in ones, and those that packages bring along.

A package offers one by an entry point of the group ``tierwise.scorers``: its name is the scorer's,
and it leads to a function from :class:`tierwise_core.scoring.Facts` to a number in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final

import structlog

from tierwise_core.scoring import BUILT_IN_SCORERS, Facts, Scorer

__all__ = ["GROUP", "known_scorers", "load_scorers"]

log = structlog.get_logger(__name__)

GROUP: Final = "tierwise.scorers"
NEUTRAL: Final = 0.5


@cache
def known_scorers() -> Mapping[str, Scorer]:
    """Give every scorer by name; packages are looked through once per process."""
    return MappingProxyType(load_scorers(entry_points(group=GROUP)))


def load_scorers(offered: Iterable[EntryPoint]) -> dict[str, Scorer]:
    """Load what packages offer beside the built-in ones.

    A name that is taken, or something that cannot be loaded, is left out and told: the others
    keep scoring.
    """
    found = dict(BUILT_IN_SCORERS)
    for offer in offered:
        if offer.name in found:
            log.warning("scorer left out: its name is taken", name=offer.name, value=offer.value)
            continue
        try:
            found[offer.name] = _guarded(offer.name, offer.load())
        except Exception as error:  # noqa: BLE001 - somebody else's code may raise anything
            log.warning("scorer left out", name=offer.name, value=offer.value, error=str(error))
    return found


def _guarded(name: str, scorer: object) -> Scorer:
    """Hold somebody else's scorer to [0, 1]; one that raises counts as neutral."""
    if not callable(scorer):
        raise TypeError(f"it is a {type(scorer).__name__}; give a function of Facts")
    failed = False

    def guarded(facts: Facts) -> float:
        nonlocal failed
        try:
            value = float(scorer(facts))
        except Exception as error:  # noqa: BLE001 - a plug-in must not fail a request
            if not failed:
                log.warning("scorer failed; it counts as neutral", name=name, error=str(error))
            failed = True
            return NEUTRAL
        return min(max(value, 0.0), 1.0) if value == value else NEUTRAL  # noqa: PLR0124 - NaN

    return guarded
