"""What `tierwise replay` shows a person: the figures, the baselines, the curve, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tierwise_cli.printing import plain_table

__all__ = ["print_replay", "text_chart"]

CHART_ROWS: Final = 12
CHART_COLUMNS: Final = 61
TWO: Final = 2


def print_replay(out: Console, said: Mapping[str, Any]) -> None:
    """Print the whole replay."""
    rows = said["rows"]
    left = f", {rows['incomplete']:,} incomplete left out" if rows["incomplete"] else ""
    out.print(
        f"{rows['train']:,} rows to learn from, {rows['test']:,} to judge on{left}; "
        f"{said['seconds']:.1f} s",
        markup=False,
    )
    out.print()
    out.print(_pair(said))
    if said["thresholds"]:
        out.print("\nThresholds that keep a share of the best single model", style="bold")
        out.print(_thresholds(said))
    if len(said["models"]) > TWO:
        out.print(f"\nAmong all {len(said['models'])} models", style="bold")
        out.print(_all_models(said))
    if said["apgr"] is not None:
        out.print(f"\nAccepted by calls to {said['strong']}", style="bold")
        out.print(text_chart(said["curve"]), markup=False)
    out.print("\nCalibration", style="bold")
    out.print(_calibration(said))
    out.print()
    out.print(_words(said), markup=False)


def _pair(said: Mapping[str, Any]) -> Table:
    """Compare the ways to route between cheap and strong, at the threshold and over all."""
    table = plain_table(
        "", "APGR>", "CPT50>", "CPT80>", "accepted>", "USD/answer>", "strong calls>"
    )
    for name in dict.fromkeys((said["cheap"], said["strong"], said["best_single"]["model"])):
        one = said["models"][name]
        calls = {said["cheap"]: 0.0, said["strong"]: 1.0}.get(name)
        best = " (best single)" if name == said["best_single"]["model"] else ""
        table.add_row(f"always {name}{best}", "", "", "", _percent(one["accepted"]),
                      _usd(one["cost_usd"]), _percent(calls))  # fmt: skip
    for name, one in said["baselines"].items():
        table.add_row(*_way(name, one))
    mine = {**said, **(said["threshold"] or {})}
    table.add_row(*(Text(cell, style="bold") for cell in _way("tierwise", mine)))
    oracle = said["oracle"]
    known = oracle["all_models"] if len(said["models"]) == TWO else {}
    table.add_row(*_way("oracle", {**oracle, **known}))
    return table


def _way(name: str, one: Mapping[str, Any]) -> list[str]:
    return [
        name, _number(one.get("apgr")), _percent(one.get("cpt50")), _percent(one.get("cpt80")),
        _percent(one.get("accepted")), _usd(one.get("cost_usd")), _percent(one.get("strong_share")),
    ]  # fmt: skip


def _thresholds(said: Mapping[str, Any]) -> Table:
    table = plain_table("keep>", "gain from>", "accepted>", "USD/answer>", "strong calls>")
    for one in said["thresholds"]:
        gain = "never" if one["value"] is None else f"{one['value']:.3f}"
        accepted, share = _percent(one["accepted"]), _percent(one["strong_share"])
        table.add_row(f"{one['keeps']:.0%}", gain, accepted, _usd(one["cost_usd"]), share)
    return table


def _all_models(said: Mapping[str, Any]) -> Table:
    table = plain_table("", "accepted>", "USD/answer>", "goes to")
    for name, one in sorted(said["models"].items(), key=lambda item: item[1]["cost_usd"]):
        best = " (best single)" if name == said["best_single"]["model"] else ""
        table.add_row(f"always {name}{best}", _percent(one["accepted"]), _usd(one["cost_usd"]), "")
    for name, one in said["baselines"].items():
        if one.get("all_models"):
            table.add_row(*_picked(name, one["all_models"]))
    if said["all_models"]:
        table.add_row(
            *(Text(cell, style="bold") for cell in _picked("tierwise", said["all_models"]))
        )
    if said["oracle"].get("all_models"):
        table.add_row(*_picked("oracle", said["oracle"]["all_models"]))
    return table


def _picked(name: str, one: Mapping[str, Any]) -> list[str]:
    shares = sorted(one["shares"].items(), key=lambda item: -item[1])
    told = ", ".join(f"{model} {share:.0%}" for model, share in shares if share >= 0.005)  # noqa: PLR2004
    return [name, _percent(one["accepted"]), _usd(one["cost_usd"]), told]


def text_chart(points: Sequence[Mapping[str, float]]) -> str:
    """Draw the curve with characters: accepted upwards, calls to the strong model to the right.

    >>> line = [{"strong_share": x / 10, "accepted": 0.6 + x / 50} for x in range(11)]
    >>> print(text_chart(line).splitlines()[0].replace("*", "").strip())
    80.0% |
    """
    lowest = min(point["accepted"] for point in points)
    highest = max(point["accepted"] for point in points)
    height = (highest - lowest) or 1.0
    grid = [[" "] * CHART_COLUMNS for _ in range(CHART_ROWS)]
    for at in range(CHART_COLUMNS):
        share = at / (CHART_COLUMNS - 1)
        line = (1.0 - share) * points[0]["accepted"] + share * points[-1]["accepted"]
        for value, mark in ((line, "."), (_at(points, share), "*")):
            row = round((highest - value) / height * (CHART_ROWS - 1))
            grid[row][at] = mark
    labels = {0: highest, CHART_ROWS - 1: lowest}
    lines = [
        f"{_percent(labels[number]) if number in labels else '':>7} |{''.join(row)}".rstrip()
        for number, row in enumerate(grid)
    ]
    axis = f"{'':>8}+{'-' * CHART_COLUMNS}"
    below = f"{'':>9}0%{'50%':>30}{'100%':>29}   * tierwise   . at random"
    return "\n".join([*lines, axis, below])


def _at(points: Sequence[Mapping[str, float]], share: float) -> float:
    for before, after in pairwise(points):
        if share <= after["strong_share"]:
            width = after["strong_share"] - before["strong_share"]
            within = (share - before["strong_share"]) / width if width else 0.0
            return before["accepted"] + within * (after["accepted"] - before["accepted"])
    return points[-1]["accepted"]


def _calibration(said: Mapping[str, Any]) -> Table:
    table = plain_table("", "Brier>", "ECE>", "predicted -> accepted, in tenths")
    for name, one in said["calibration"].items():
        bins = "  ".join(
            f"{tenth['predicted']:.2f}->{tenth['accepted']:.2f}" for tenth in one["bins"]
        )
        table.add_row(name, _number(one["brier"]), _number(one["ece"]), bins)
    return table


def _words(said: Mapping[str, Any]) -> str:
    chosen = said["threshold"]
    if chosen is None:
        return "No threshold: no training row has an outcome of every model."
    value = "nobody" if chosen["value"] is None else f"a predicted gain of {chosen['value']:.3f}"
    parts = ", ".join(f"{name} {w:.0%}" for name, w in said["predictor"].items() if w >= 0.005)  # noqa: PLR2004
    return (
        f"Threshold {value}, chosen on the training rows to keep {chosen['keeps']:.0%} of the best "
        f"baseline: {chosen['cost_saved']:.1%} of {said['strong']}'s cost saved.\n"
        f"Predicted by {parts}."
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _usd(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
