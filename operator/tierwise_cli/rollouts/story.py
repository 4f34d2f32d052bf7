"""Why a Rollout stands where it stands, section by section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tierwise_api.rollout_examination import ExaminationStatus
from tierwise_api.rollout_status import RolloutWindow
from tierwise_cli.rollouts.looks import Look
from tierwise_cli.rollouts.words import clock
from tierwise_core.rollout.stages import Stage

__all__ = ["Section", "story"]

_EXAMINATIONS = (("benchmark", "held-out benchmark"), ("safety", "safety set"))


@dataclass(frozen=True, slots=True)
class Section:
    """A title and its lines."""

    title: str
    lines: tuple[str, ...]


def story(look: Look) -> tuple[Section, ...]:
    """Tell a Rollout from what started it to what may follow; empty sections are left out."""
    told = (
        Section("What is tried", tuple(_tried(look))),
        Section("Before anybody was sent to it", tuple(_examined(look))),
        Section("What was decided", tuple(_decided(look))),
        Section("The evidence", tuple(_evidence(look))),
        Section("How it ended", tuple(_ended(look))),
        Section("What comes next", tuple(_next(look))),
        Section("By hand", tuple(_by_hand(look))),
    )
    return tuple(section for section in told if section.lines)


def _tried(look: Look) -> Iterator[str]:
    trigger = look.status.trigger
    if trigger is not None:
        yield f"{trigger.reason}: {trigger.message}" if trigger.message else trigger.reason
    sides = look.status.sides
    runs = {
        "blue": sides.blue.revisions if sides else [],
        "green": sides.green.revisions if sides else [],
    }
    for (side, revisions), model in zip(runs.items(), look.models, strict=True):
        yield f"{side}: {model}" + (f" ({', '.join(revisions)})" if revisions else "")
    yield f"strategy {look.spec.get('strategy', {}).get('type', 'Utility')}"


def _examined(look: Look) -> Iterator[str]:
    raw: Mapping[str, Any] = look.body.get("status") or {}
    for name, words in _EXAMINATIONS:
        if raw.get(name):
            yield _examination(words, ExaminationStatus.model_validate(raw[name]))
    for gate in look.status.gates:
        yield f"gate {gate.name} {gate.state.lower()}: {gate.message}"


def _examination(words: str, one: ExaminationStatus) -> str:
    if one.state in {"Missing", "Unreadable"}:
        return f"{words}: {one.state.lower()}" + (f", {one.message}" if one.message else "")
    told = f"{words}: {one.answered} of {one.questions} asked, green right in {one.green_right}, "
    told += f"blue in {one.blue_right}"
    if one.lost:
        told += f"; only blue knew {', '.join(one.lost[:5])}"
    return f"{told}; {one.message}" if one.message else told


def _decided(look: Look) -> Iterator[str]:
    for point in look.status.trajectory:
        stage = f"{point.stage}, " if point.stage else ""
        yield f"{clock(point.time)}  {stage}{point.green_percent} % to green: {point.reason}"


def _evidence(look: Look) -> Iterator[str]:
    if look.status.windows is None:
        return
    if look.status.shadow_percent:
        unseen = f"{look.status.shadow_percent} % of the requests"
        yield f"green answers {unseen} beside blue, and nobody sees these answers"
    for name, window in look.sides:
        yield f"{name}: {_window(window)}"
    found = look.evidence
    if found is not None:
        for words, share in (("promotion", found.promotion), ("a rollback", found.rollback)):
            yield f"{100 * max(0.0, min(1.0, share)):.0f} % of the evidence that {words} needs"
    for signal in look.status.signals:
        since = f" since {clock(signal.since)}" if signal.since else ""
        yield f"signal {signal.name} fires{since}: {signal.message}"


def _window(window: RolloutWindow) -> str:
    told = f"{window.requests:,} requests, {window.interactions:,} judged answers"
    if window.utility is not None:
        told += f", utility {window.utility:.3f}"
        if window.utility_low is not None and window.utility_high is not None:
            told += f" ({window.utility_low:.3f} to {window.utility_high:.3f})"
    for words, rate in (
        ("accepted", window.accepted_rate),
        ("contradicting", window.contradiction_rate),
        ("escalated", window.escalation_rate),
    ):
        if rate is not None:
            told += f", {100 * rate:.1f} % {words}"
    return told + (f", {window.cost_usd:.4g} USD" if window.cost_usd else "")


def _ended(look: Look) -> Iterator[str]:
    verdict = look.status.verdict
    if verdict is not None:
        when = f" at {clock(verdict.time)}" if verdict.time else ""
        yield f"{verdict.outcome}{when}, {verdict.reason}: {verdict.message}"
    if look.status.failures_kept is not None:
        yield f"{look.status.failures_kept} failures of the candidate were kept for training"


def _next(look: Look) -> Iterator[str]:
    if look.ended:
        return
    if look.status.waits_for:
        yield f"it waits for {look.status.waits_for}"
    if look.status.forecast is not None and look.status.forecast.message:
        yield f"at the start this was expected: {look.status.forecast.message}"


def _by_hand(look: Look) -> Iterator[str]:
    name, specialist = look.key, f"{look.namespace}/{look.specialist}"
    if look.stage == Stage.COMPLETE.value:
        yield f"go back to what served before: tierwise rollout undo {specialist}"
    if look.ended or look.stage == Stage.ROLLING_BACK.value:
        return
    if look.stage == Stage.PROMOTED.value:
        yield f"blue is warm; go back at once: tierwise rollout undo {specialist}"
        return
    if look.spec.get("paused"):
        yield f"go on: tierwise rollout resume {name}"
    else:
        yield f"hold everything: tierwise rollout pause {name}"
    yield f"make the candidate final: tierwise rollout promote {name}"
    yield f"give it up: tierwise rollout abort {name}"
