"""Whether the caller's session was answered here before."""

from __future__ import annotations

from typing import Final

from tierwise_core.scoring.facts import Facts

__all__ = ["score"]

NO_SESSION: Final = 0.5


def score(facts: Facts) -> float:
    """Give 1 at the session's home, 0 elsewhere, a half without a session that has one.

    >>> [score(Facts("demo/sorter", session_home=home)) for home in (True, False, None)]
    [1.0, 0.0, 0.5]
    """
    home = facts.session_home
    return NO_SESSION if home is None else float(home)
