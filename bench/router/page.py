"""Turns a run's figures into the tables of docs/benchmarks.md, and writes them there."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from chart import Bar, Panel, draw
from figures import Cell, added_ms, times

__all__ = ["Figures", "machine", "record", "tables"]

START, END = "<!-- figures: made by make bench-router RECORD=yes -->", "<!-- end of figures -->"
MAIN = ("whole", 16, False)


@dataclass(slots=True)
class Figures:
    """All that a run found: cells by (kind, connections, large) and contestant, and the rest."""

    cells: dict[tuple[str, int, bool], dict[str, Cell]] = field(default_factory=dict)
    memory: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    neighbours: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def machine() -> str:
    """Name the machine, the day and what is measured with."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"{day}, {os.cpu_count()} cores of {model} shared by load, upstream and routers (load "
        f"average {load:.1f} at the end), Python {platform.python_version()}"
    )


def tables(figures: Figures) -> str:
    """Write every table of a run in Markdown."""
    parts = [_whole_table(figures, large) for large in (False, True)]
    parts += [_streams_table(figures), _memory_table(figures), _neighbours(figures)]
    return "\n\n".join(part for part in parts if part)


def _whole_table(figures: Figures, large: bool) -> str:  # noqa: FBT001 - one call
    size = "200 KB" if large else "150 B"
    title = f"Whole answers, bodies of {size}: rate, p50 and p99 added to the direct way, CPU"
    keys = [key for key in figures.cells if key[0] == "whole" and key[2] is large]
    return _table(figures, title, keys)


def _streams_table(figures: Figures) -> str:
    keys = [key for key in figures.cells if key[0] == "streams"]
    return _table(figures, "Streams of 16 events: streams a second, whole time added, CPU", keys)


def _table(figures: Figures, title: str, keys: Sequence[tuple[str, int, bool]]) -> str:
    if not keys:
        return ""
    lines = [f"**{title}**", ""]
    lines.append(
        "| connections | | per second | p50 ms | p99 ms | + p50 | + p99 | CPU us | errors |"
    )
    lines.append("|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    for key in sorted(keys, key=lambda one: one[1]):
        direct = figures.cells[key].get("direct")
        for at, (name, cell) in enumerate(figures.cells[key].items()):
            lines.append(_row(str(key[1]) if at == 0 else "", name, cell, direct))
    return "\n".join(lines)


def _row(connections: str, name: str, cell: Cell, direct: Cell | None) -> str:
    added = ["", ""]
    if direct is not None and name != "direct":
        added = [
            f"{added_ms(cell.p50_ms, direct.p50_ms):.3f}",
            f"{added_ms(cell.p99_ms, direct.p99_ms):.2f}",
        ]
    cpu = f"{cell.cpu_us:.0f}" if cell.cpu_us else ""
    shown = [
        connections, name, f"{cell.rps:,.0f}", f"{cell.p50_ms:.3f}", f"{cell.p99_ms:.2f}", *added,
        cpu, str(cell.errors),
    ]  # fmt: skip
    return f"| {' | '.join(shown)} |"


def _memory_table(figures: Figures) -> str:
    if not figures.memory:
        return ""
    lines = ["**Memory (PSS of all its processes) before and after many requests**", ""]
    lines += ["| | requests | before | after |", "|---|---:|---:|---:|"]
    for name, (requests, before, after) in figures.memory.items():
        lines.append(f"| {name} | {requests:,} | {before >> 20} MiB | {after >> 20} MiB |")
    return "\n".join(lines)


def _neighbours(figures: Figures) -> str:
    if not figures.neighbours:
        return ""
    lines = ["**tierwise, by name at 16 connections beside 64 who are slow**", ""]
    lines += ["| beside | p99 ms |", "|---|---:|"]
    lines += [f"| {name} | {value:.2f} |" for name, value in figures.neighbours.items()]
    return "\n".join(lines)


def ratios(figures: Figures) -> str:
    """Say in one line how the contestants stand to each other at 16 connections."""
    cells: Mapping[str, Cell] = figures.cells.get(MAIN, {})
    rust, lite = cells.get("vllm-router"), cells.get("litellm")
    said = []
    for name, cell in cells.items():
        if not name.startswith("tierwise"):
            continue
        words = [name + ":"]
        if rust is not None and (share := times(cell.rps, rust.rps)):
            words.append(f"{share:.2f} of vllm-router's rate,")
        if lite is not None and (share := times(cell.rps, lite.rps)):
            words.append(f"{share:,.0f} times LiteLLM's")
        said.append(" ".join(words).rstrip(","))
    return "; ".join(said)


def picture(figures: Figures) -> str:
    """Draw rate, added latency and CPU at 16 connections."""
    cells = figures.cells[MAIN]
    direct = cells.get("direct", Cell(0, 0, 0, 0, 0))
    rate = [Bar(n, c.rps, f"{c.rps:,.0f}") for n, c in cells.items()]
    routed = {name: cell for name, cell in cells.items() if name != "direct"}
    added = [
        Bar(
            n,
            max(0.001, added_ms(c.p50_ms, direct.p50_ms)),
            f"{added_ms(c.p50_ms, direct.p50_ms):.2f}",
        )
        for n, c in routed.items()
    ]
    cpu = [Bar(n, c.cpu_us, f"{c.cpu_us:.0f}") for n, c in routed.items()]
    return draw(
        [
            Panel("Requests a second, 16 connections", rate),
            Panel("Added latency, p50, ms", added),
            Panel("Processor time a request, us", cpu),
        ]
    )


def record(figures: Figures, page: Path, chart: Path, command: str) -> None:
    """Write the tables between the marks of the page, and the chart beside it."""
    text = page.read_text()
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    took = f"{figures.seconds / 60:.0f} minutes"
    said = f"`{command}`, {took}: {machine()}.\n\n{ratios(figures)}.\n\n{tables(figures)}"
    page.write_text(f"{before}{START}\n\n{said}\n\n{END}{after}")
    chart.write_text(picture(figures))
