"""What `tierwise classify` shows a person: the figures, each field, what is confused, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tierwise_cli.printing import plain_table

__all__ = ["print_evaluation", "print_reading"]

CONFUSED_SHOWN: Final = 5
FIELDS_SHOWN: Final = 40


def print_evaluation(out: Console, said: Mapping[str, Any]) -> None:
    """Print how good it is: altogether, by field, and which fields it takes for others."""
    out.print(_figures(said))
    out.print("\nFields", style="bold")
    out.print(_fields(said["fields"]))
    if said["most_confused"]:
        out.print("\nMost confused", style="bold")
        table = plain_table("FIELD", "TAKEN FOR", "ROWS>", "")
        for one in said["most_confused"][:CONFUSED_SHOWN]:
            table.add_row(one["field"], one["taken_for"], str(one["rows"]), "")
        out.print(table)


def _figures(said: Mapping[str, Any]) -> Table:
    rows, spent, first = (
        said["rows"],
        said["microseconds_per_query"],
        said["microseconds_first_time"],
    )
    table = plain_table("", ">", "OF")
    inside, outside = f"{rows['in_domain']:,} of a field", f"{rows['out_of_domain']:,} of none"
    table.add_row("accuracy", _number(said["accuracy"]), inside)
    table.add_row("macro-F1", _number(said["macro_f1"]), inside)
    table.add_row("calibration error", _number(said["calibration_error"]), inside)
    table.add_row("out-of-domain AUROC", _number(said["out_of_domain_auroc"]), outside)
    table.add_row("rejected at 95 % kept", _number(said["rejection_at_95_kept"]), outside)
    table.add_row("microseconds, p50", f"{spent['p50']:.1f}", f"first time {first['p50']:.1f}")
    table.add_row("microseconds, p99", f"{spent['p99']:.1f}", f"first time {first['p99']:.1f}")
    return table


def _fields(fields: Mapping[str, Mapping[str, Any]]) -> Table:
    table = plain_table("FIELD", "ROWS>", "PRECISION>", "RECALL>", "F1>", "")
    in_order = sorted(fields.items(), key=lambda one: (one[1]["f1"], one[0]))
    for name, one in in_order[:FIELDS_SHOWN]:
        figures = (_number(one[key]) for key in ("precision", "recall", "f1"))
        table.add_row(name, f"{one['rows']:,}", *figures, "")
    if len(in_order) > FIELDS_SHOWN:
        table.add_row(f"and {len(in_order) - FIELDS_SHOWN} better ones", "", "", "", "", "")
    return table


def print_reading(out: Console, said: Mapping[str, Any]) -> None:
    """Print what it makes of one text: the fields, and the words that voted."""
    name = said["field"] or "no field"
    out.print(
        f"{name}: {said['confidence']:.2f} sure "
        f"(belongs to any field {said['in_domain']:.2f}, to this one of them "
        f"{said['probability']:.2f})",
        markup=False,
        style="bold",
    )
    table = plain_table("FIELD", "SHARE>", "WORDS THAT VOTED FOR IT")
    for one in said["fields"]:
        words = ", ".join(f"{vote['word']} {vote['vote']:+.2f}" for vote in one["votes"])
        table.add_row(one["field"], f"{one['share']:.2f}", words)
    out.print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
