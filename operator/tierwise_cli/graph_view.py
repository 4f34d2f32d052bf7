"""The advice on a graph, as a tree for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from tierwise_cli.printing import page
from tierwise_core.decomposition import walk
from tierwise_core.field_figures import Advice, Bounds, Decision, OneGPU
from tierwise_core.quantities import format_bytes

__all__ = ["as_json", "print_advice"]

IN_WORDS = {
    Decision.BRANCH: ("branch", "bold yellow"),
    Decision.STOP_HARDWARE: ("stop: fits one GPU", "green"),
    Decision.STOP_STATISTICAL: ("stop: consistent", "green"),
    Decision.KEEP_WITH_PARENT: ("keep with its parent", "dim"),
    Decision.MEASURE: ("measure first", "yellow"),
    Decision.NAME_SUBFIELDS: ("branch: name its subfields", "bold yellow"),
}


def print_advice(roots: Sequence[Advice], gpu: OneGPU, bounds: Bounds) -> None:
    """Each tree, then what it comes to."""
    out = page()
    out.print(
        f"Branch until one submodel fits one {gpu.tier} ({format_bytes(gpu.usable_bytes)} usable) "
        f"or contradicts itself in less than {bounds.contradiction_rate:.0%} of its answers.\n",
        markup=False,
    )
    for root in roots:
        out.print(_tree(root))
    for line in _summary(roots, gpu):
        out.print(line, markup=False)


def _tree(root: Advice) -> Tree:
    tree = Tree(_line(root))
    _grow(tree, root)
    return tree


def _grow(tree: Tree, advice: Advice) -> None:
    for child in advice.children:
        _grow(tree.add(_line(child)), child)


def _line(advice: Advice) -> Text:
    word, style = IN_WORDS[advice.decision]
    share = f" ({advice.share:.1%} of the requests)" if advice.share is not None else ""
    accuracy = advice.figures.accuracy
    right = f"; accepted {accuracy:.1%} of the time" if accuracy is not None else ""
    return Text.assemble(
        (advice.field, "bold"), share, "  ", (word, style), f"\n{advice.reason}{right}"
    )


def _summary(roots: Sequence[Advice], gpu: OneGPU) -> list[str]:
    every = [advice for root in roots for advice in walk(root)]
    ready = [a.field for a in every if a.decision is Decision.STOP_HARDWARE]
    lines = [""]
    if ready:
        plural = "" if len(ready) == 1 else "s"
        price = f", {len(ready) * gpu.usd_per_hour:.2f} USD/h" if gpu.usd_per_hour else ""
        lines.append(
            f"On one {gpu.tier} each: {', '.join(ready)} ({len(ready)} GPU{plural}{price} for a "
            "replica of each)."
        )
    for decision, said in (
        (Decision.BRANCH, "Larger models that stay above them, for what no subfield takes"),
        (Decision.STOP_STATISTICAL, "Large, but consistent enough to leave alone"),
        (Decision.KEEP_WITH_PARENT, "Too rarely asked for a model of their own"),
        (Decision.MEASURE, "To be measured before deciding"),
        (Decision.NAME_SUBFIELDS, "To be branched once their subfields are named"),
    ):
        names = [advice.field for advice in every if advice.decision is decision]
        if names:
            lines.append(f"{said}: {', '.join(names)}.")
    return lines


def as_json(roots: Sequence[Advice], gpu: OneGPU) -> dict[str, Any]:
    """The advice with the figures it rests on; sizes in bytes, rates and shares from 0 to 1."""
    return {
        "gpu": {
            "tier": gpu.tier,
            "usableBytes": gpu.usable_bytes,
            "usdPerHour": gpu.usd_per_hour,
        },
        "graphs": [_node(root) for root in roots],
    }


def _node(advice: Advice) -> dict[str, Any]:
    figures = advice.figures
    return {
        "field": advice.field,
        "decision": str(advice.decision),
        "reason": advice.reason,
        "share": advice.share,
        "volume": figures.volume,
        "contradictionRate": figures.contradiction_rate,
        "judged": figures.judged,
        "accuracy": figures.accuracy,
        "parameters": figures.parameters,
        "weightsBytes": figures.model_bytes,
        "kvCacheBytes": figures.kv_cache_bytes,
        "children": [_node(child) for child in advice.children],
    }
