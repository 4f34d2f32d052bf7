"""``specialist NAME KEY=VALUE ...``: what a what-if may change about a Specialist."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tierwise_core.errors import WhatIfError
from tierwise_core.fleet_plan import Fleet
from tierwise_core.specialist import Specialist
from tierwise_core.what_if_names import at_least_one, find_specialist, whole_number

__all__ = ["change_specialist"]

MOST_TOKENS: Final = 2**31


def change_specialist(text: str, words: Sequence[str]) -> Callable[[Fleet], Fleet]:
    """Return the change that the words after ``specialist`` ask for.

    Raises:
        WhatIfError: a setting does not exist or its value makes no sense.
    """
    if len(words) < 2:  # noqa: PLR2004 - a name and one change
        raise WhatIfError(
            f'--what-if "{text}": write specialist NAME KEY=VALUE, with {_keys()}, such as '
            "specialist sorter replicas=4"
        )
    changes = [_setting(text, word) for word in words[1:]]

    def change(fleet: Fleet) -> Fleet:
        found = find_specialist(fleet, words[0], text)
        changed = found
        for each in changes:
            changed = each(changed)
        everyone = tuple(changed if sp.key == found.key else sp for sp in fleet.specialists)
        if changed.placement.min_replicas == found.placement.min_replicas:
            return replace(fleet, specialists=everyone)
        wanted = {key: count for key, count in fleet.wanted.items() if key != found.key}
        return replace(fleet, specialists=everyone, wanted=wanted)

    return change


Setting = Callable[[Specialist], Specialist]


def _setting(text: str, word: str) -> Setting:
    key, equals, value = word.partition("=")
    setter = _SETTERS.get(key.casefold())
    if not equals or setter is None or not value:
        raise WhatIfError(f'--what-if "{text}": {word!r} is no setting; write {_keys()}')
    return setter(text, value)


def _replicas(text: str, value: str) -> Setting:
    count = whole_number(text, value)
    return lambda sp: replace(
        sp, placement=replace(sp.placement, min_replicas=count, max_replicas=max(count, 1))
    )


def _concurrency(text: str, value: str) -> Setting:
    count = at_least_one(text, value)
    return lambda sp: replace(sp, placement=replace(sp.placement, target_concurrency=count))


def _tensor_parallel(text: str, value: str) -> Setting:
    size = at_least_one(text, value)
    return lambda sp: replace(sp, placement=replace(sp.placement, tensor_parallel=size))


def _tiers(_text: str, value: str) -> Setting:
    names = () if value.casefold() == "any" else tuple(value.split(","))
    return lambda sp: replace(sp, placement=replace(sp.placement, tiers=names))


def _context(text: str, value: str) -> Setting:
    tokens = at_least_one(text, value, MOST_TOKENS)
    return lambda sp: replace(
        sp, model=replace(sp.model, max_model_len_tokens=tokens) if sp.model else None
    )


def _priority(text: str, value: str) -> Setting:
    if not re.fullmatch(r"-?[0-9]{1,7}", value):
        raise WhatIfError(f'--what-if "{text}": the priority {value!r} must be a whole number')
    return lambda sp: replace(sp, priority=int(value))


def _keys() -> str:
    return ", ".join(f"{key}=..." for key in _SETTERS)


_SETTERS: Final[Mapping[str, Callable[[str, str], Setting]]] = {
    "replicas": _replicas,
    "concurrency": _concurrency,
    "context": _context,
    "priority": _priority,
    "tensor-parallel": _tensor_parallel,
    "tiers": _tiers,
}
