"""What a what-if names, and what to say where there is none of that name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from tierwise_core.errors import WhatIfError
from tierwise_core.fleet import GPUTier, Node
from tierwise_core.fleet_plan import Fleet
from tierwise_core.specialist import Specialist

__all__ = [
    "MOST",
    "at_least_one",
    "did_you_mean",
    "find_node",
    "find_specialist",
    "find_tier",
    "key_and_value",
    "whole_number",
]

MOST: Final = 100_000
"""No number of a what-if may be larger: a typing error should not fill the memory."""
NAMES_SHOWN: Final = 8

Thing = TypeVar("Thing")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint at the name that was probably meant, or nothing.

    >>> did_you_mean("rtx-4O90", ["rtx-4090", "h100"])
    ' (did you mean rtx-4090?)'
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def key_and_value(text: str, words: Sequence[str], form: str) -> tuple[str, str]:
    """Return both sides of ``NAME=VALUE``; ``form`` is how to write it, for the message.

    Raises:
        WhatIfError: it is not written so.
    """
    name, equals, value = "".join(words).partition("=")
    if not (name and equals and value):
        raise WhatIfError(f'--what-if "{text}": write {form}')
    return name, value


def at_least_one(text: str, value: str, most: int = MOST) -> int:
    """Return a whole number from 1 to ``most``.

    Raises:
        WhatIfError: it is none.
    """
    count = whole_number(text, value, most)
    if not count:
        raise WhatIfError(f'--what-if "{text}": {value!r} must be 1 or more')
    return count


def whole_number(text: str, value: str, most: int = MOST) -> int:
    """Return a whole number from 0 to ``most``.

    Raises:
        WhatIfError: it is none.
    """
    if not value.isdecimal() or len(value) > len(str(most)) or int(value) > most:
        raise WhatIfError(f'--what-if "{text}": {value!r} must be a whole number from 0 to {most}')
    return int(value)


def find_tier(fleet: Fleet, name: str, told: str) -> GPUTier:
    """Return the tier of that name; ``told`` begins the message where there is none.

    Raises:
        WhatIfError: there is none; the message lists those there are.
    """
    return _found(name, {tier.name: tier for tier in fleet.tiers}, "tier", told)


def find_node(fleet: Fleet, name: str, text: str) -> Node:
    """Return the node of that name.

    Raises:
        WhatIfError: there is none.
    """
    told = f'--what-if "{text}"'
    return _found(name, {node.name: node for node in fleet.nodes}, "node", told)


def find_specialist(fleet: Fleet, name: str, text: str) -> Specialist:
    """Return the Specialist of that name or ``namespace/name``.

    Raises:
        WhatIfError: there is none, or several namespaces have one.
    """
    told = f'--what-if "{text}"'
    by_key = {sp.key: sp for sp in fleet.specialists}
    if "/" in name:
        return _found(name, by_key, "Specialist", told)
    named = [sp for sp in fleet.specialists if sp.name == name]
    if len(named) > 1:
        keys = ", ".join(sp.key for sp in named)
        raise WhatIfError(f"{told}: {name!r} is in several namespaces; write one of {keys}")
    return _found(name, {sp.name: sp for sp in fleet.specialists}, "Specialist", told)


def _found(name: str, things: Mapping[str, Thing], kind: str, told: str) -> Thing:
    if name not in things:
        hint = did_you_mean(name, things)
        raise WhatIfError(f"{told}: there is no {kind} {name!r}{hint}{_there_are(things)}")
    return things[name]


def _there_are(names: Iterable[str]) -> str:
    known = sorted(names)
    shown = ", ".join(known[:NAMES_SHOWN]) or "none"
    return f"; there are: {shown}{', ...' if len(known) > NAMES_SHOWN else ''}"
