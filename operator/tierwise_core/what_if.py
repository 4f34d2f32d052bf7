"""Changes to a fleet that are only tried out: the little language of ``tierwise plan --what-if``.

::

    price TIER=USD                  a GPU-hour of the tier costs that
    nodes TIER+N | TIER-N | TIER=N  that many nodes more, fewer, or in all; xGPUS says how large
                                    the new ones are (rtx-4090+2x8), else as the tier's largest
    gpus NODE=N                     the node has N GPUs, as when one fails
    cordon NODE                     the node takes no new pods
    remove node|tier|specialist NAME
    specialist NAME KEY=VALUE ...   replicas, concurrency, context, priority, tensor-parallel,
                                    tiers (separated by commas, or any)

A Specialist is named by its name, or ``namespace/name`` where the name alone is not unique. Nothing
here touches a cluster: a change turns a :class:`Fleet` into another one, which is then planned like
any other.

>>> from tierwise_core.fleet import GPUTier
>>> fleet = Fleet(tiers=(GPUTier("h100", usd_per_gpu_hour=3.0),))
>>> apply(fleet, parse("price h100=2.00")).tiers[0].usd_per_gpu_hour
2.0
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tierwise_core.errors import WhatIfError
from tierwise_core.fleet import GPUTier, Node, nodes_of
from tierwise_core.fleet_plan import Fleet
from tierwise_core.what_if_names import (
    MOST,
    did_you_mean,
    find_node,
    find_specialist,
    find_tier,
    key_and_value,
    whole_number,
)
from tierwise_core.what_if_specialist import change_specialist

__all__ = ["FORMS", "WhatIf", "apply", "parse", "with_nodes"]

FORMS: Final = (
    "price TIER=USD",
    "nodes TIER+N[xGPUS]",
    "nodes TIER-N",
    "nodes TIER=N[xGPUS]",
    "gpus NODE=N",
    "cordon NODE",
    "remove node|tier|specialist NAME",
    "specialist NAME KEY=VALUE ...",
)
NODE_COUNT: Final = re.compile(r"(?P<tier>.+?)(?P<sign>[+=-])(?P<count>[0-9]+)(x(?P<gpus>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One change: what the user wrote, and what it does to a fleet."""

    text: str
    change: Callable[[Fleet], Fleet]


def parse(text: str) -> WhatIf:
    """Read one change.

    Raises:
        WhatIfError: it has none of the forms above; the message quotes it and says how to write it.
    """
    words = text.split()
    if not words:
        raise WhatIfError(f"--what-if is empty; write one of: {'; '.join(FORMS)}")
    reader = _READERS.get(words[0].casefold())
    if reader is None:
        hint = did_you_mean(words[0].casefold(), _READERS)
        raise WhatIfError(
            f'--what-if "{text}": {words[0]!r} is no change{hint}; write one of: {"; ".join(FORMS)}'
        )
    return WhatIf(text, reader(text, words[1:]))


def apply(fleet: Fleet, change: WhatIf) -> Fleet:
    """Return the fleet after a change.

    Raises:
        WhatIfError: the fleet has no such tier, node or Specialist; the message names those it has.
    """
    return change.change(fleet)


def with_nodes(fleet: Fleet, tier_name: str, count: int, gpus: int, told: str) -> Fleet:
    """Return the fleet with that many more nodes of a tier, each with that many GPUs.

    ``told`` is how the user asked for it, for messages.
    """
    tier = find_tier(fleet, tier_name, told)
    names = {node.name for node in fleet.nodes}
    new: list[Node] = []
    number = 1
    while len(new) < count:
        name = f"{tier.name}-new-{number}"
        number += 1
        if name not in names:
            new.append(Node(name, dict(tier.node_selector), {tier.resource_name: gpus}))
    return replace(fleet, nodes=(*fleet.nodes, *new))


def _price(text: str, words: Sequence[str]) -> Callable[[Fleet], Fleet]:
    name, usd = key_and_value(text, words, "price TIER=USD, such as price h100=2.00")
    try:
        price = float(usd)
    except ValueError:
        price = -1.0
    if not 0 < price < MOST:
        raise WhatIfError(
            f'--what-if "{text}": the price {usd!r} must be above 0, in USD for one GPU-hour'
        )

    def change(fleet: Fleet) -> Fleet:
        find_tier(fleet, name, f'--what-if "{text}"')
        return replace(
            fleet,
            tiers=tuple(
                replace(tier, usd_per_gpu_hour=price) if tier.name == name else tier
                for tier in fleet.tiers
            ),
        )

    return change


def _nodes(text: str, words: Sequence[str]) -> Callable[[Fleet], Fleet]:
    match = NODE_COUNT.fullmatch("".join(words))
    if match is None:
        raise WhatIfError(
            f'--what-if "{text}": write nodes TIER+N, TIER-N or TIER=N, such as nodes rtx-4090+2 '
            "(or rtx-4090+2x8 for nodes of 8 GPUs)"
        )
    count, gpus = whole_number(text, match["count"]), match["gpus"]
    size = whole_number(text, gpus) if gpus else None
    if size == 0:
        raise WhatIfError(f'--what-if "{text}": a node of 0 GPUs adds nothing; give 1 or more')

    def change(fleet: Fleet) -> Fleet:
        tier = find_tier(fleet, match["tier"], f'--what-if "{text}"')
        there = nodes_of(tier, fleet.nodes)
        sign = match["sign"]
        more = {"+": count, "-": -count, "=": count - len(there)}[sign]
        if more < 0:
            return _fewer(fleet, tier, there, -more, text)
        largest = max((node.gpus.get(tier.resource_name, 0) for node in there), default=0)
        if more and not (size or largest):
            raise WhatIfError(
                f'--what-if "{text}": tier {tier.name} has no nodes to copy; say how many GPUs '
                f"each has, such as nodes {tier.name}{sign}{count}x8"
            )
        return with_nodes(fleet, tier.name, more, size or largest, f'--what-if "{text}"')

    return change


def _fewer(fleet: Fleet, tier: GPUTier, there: Sequence[Node], count: int, text: str) -> Fleet:
    """Take away the emptiest nodes, so that as little as possible has to move."""
    if count > len(there):
        raise WhatIfError(
            f'--what-if "{text}": tier {tier.name} has only {len(there)} nodes; give at most that'
        )

    def held(node: Node) -> int:
        return fleet.use.get(node.name, {}).get(tier.resource_name, 0)

    emptiest = sorted(there, key=lambda node: (held(node), node.name))[:count]
    return _without_nodes(fleet, {node.name for node in emptiest})


def _without_nodes(fleet: Fleet, names: set[str]) -> Fleet:
    return replace(
        fleet,
        nodes=tuple(node for node in fleet.nodes if node.name not in names),
        use={name: held for name, held in fleet.use.items() if name not in names},
    )


def _gpus(text: str, words: Sequence[str]) -> Callable[[Fleet], Fleet]:
    name, number = key_and_value(text, words, "gpus NODE=N, such as gpus gpu-1=7")
    count = whole_number(text, number)

    def change(fleet: Fleet) -> Fleet:
        find_node(fleet, name, text)
        return _each_node(fleet, name, lambda node: _with_gpus(node, count, text))

    return change


def _with_gpus(node: Node, count: int, text: str) -> Node:
    if len(node.gpus) != 1:
        offers = ", ".join(node.gpus) or "no GPUs"
        raise WhatIfError(
            f'--what-if "{text}": node {node.name} offers {offers}; name a node with one kind of '
            "GPU"
        )
    return replace(node, gpus=dict.fromkeys(node.gpus, count))


def _cordon(text: str, words: Sequence[str]) -> Callable[[Fleet], Fleet]:
    names = [word for word in words if word.casefold() != "node"]
    if len(names) != 1:
        raise WhatIfError(f'--what-if "{text}": write cordon NODE, such as cordon gpu-1')

    def change(fleet: Fleet) -> Fleet:
        find_node(fleet, names[0], text)
        return _each_node(fleet, names[0], lambda node: replace(node, cordoned=True))

    return change


def _each_node(fleet: Fleet, name: str, change: Callable[[Node], Node]) -> Fleet:
    return replace(
        fleet,
        nodes=tuple(change(node) if node.name == name else node for node in fleet.nodes),
    )


def _remove(text: str, words: Sequence[str]) -> Callable[[Fleet], Fleet]:
    removers = {"node": _remove_node, "tier": _remove_tier, "specialist": _remove_specialist}
    if len(words) != 2 or words[0].casefold() not in removers:  # noqa: PLR2004 - kind and name
        raise WhatIfError(
            f'--what-if "{text}": write remove node NAME, remove tier NAME or remove specialist '
            "NAME"
        )
    remove = removers[words[0].casefold()]
    return lambda fleet: remove(fleet, words[1], text)


def _remove_node(fleet: Fleet, name: str, text: str) -> Fleet:
    find_node(fleet, name, text)
    return _without_nodes(fleet, {name})


def _remove_tier(fleet: Fleet, name: str, text: str) -> Fleet:
    find_tier(fleet, name, f'--what-if "{text}"')
    return replace(fleet, tiers=tuple(tier for tier in fleet.tiers if tier.name != name))


def _remove_specialist(fleet: Fleet, name: str, text: str) -> Fleet:
    gone = find_specialist(fleet, name, text)
    return replace(fleet, specialists=tuple(sp for sp in fleet.specialists if sp.key != gone.key))


_READERS: Final[Mapping[str, Callable[[str, Sequence[str]], Callable[[Fleet], Fleet]]]] = {
    "price": _price,
    "nodes": _nodes,
    "gpus": _gpus,
    "cordon": _cordon,
    "remove": _remove,
    "specialist": change_specialist,
}
