"""When a reversion signal holds a ramp, and when it takes it back.

A signal that fires holds: shares do not rise and nothing is promoted. It takes the rollout back
once it fires in the next window too *and* the bets against it (:mod:`.signals`) leave no doubt, so
that a candidate that is no worse is taken back in at most one of a thousand rollouts by each
signal, however often one looks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import Final

from tierwise_core.rollout.evidence import Yardstick
from tierwise_core.rollout.judgement import Certainty
from tierwise_core.rollout.purses import Purse
from tierwise_core.rollout.samples import NOTHING, SideSample, WindowSample
from tierwise_core.rollout.signals import BETS, Pair, Reading, Signal, Thresholds, parts, read

__all__ = ["SILENT", "Alarm", "Alarms", "SignalReport", "listen"]

SIGNAL_WINDOWS: Final = 5
"""How many of the field's windows make one of a signal's: of ten answers a share says little."""
IN_A_ROW: Final = 2


@dataclass(frozen=True, slots=True)
class Alarm:
    """How one signal stands.

    Of ``windows`` that could be read green was over the line in ``hits``, in the last ``streak``
    without a break. It has fired for the last ``held`` windows, since
    ``since`` (seconds since the epoch), and ``proof`` is what the bets came to.
    """

    signal: Signal
    proof: Purse
    windows: int = 0
    hits: int = 0
    streak: int = 0
    held: int = 0
    since: float | None = None
    why: str = ""

    @property
    def fires(self) -> bool:
        """Whether it holds the ramp."""
        return self.held > 0

    def persists(self, certainty: Certainty) -> bool:
        """Say whether it has fired for another window, and is surely more than chance."""
        proven = self.proof.capital(parts(self.signal)) >= log(1 / certainty.signal)
        return self.held >= IN_A_ROW and proven


@dataclass(frozen=True, slots=True)
class SignalReport:
    """A signal that fires, since when, and its numbers in words."""

    signal: Signal
    since: float
    why: str


def _silent(signal: Signal) -> Alarm:
    return Alarm(signal, Purse((0.0,) * BETS[signal]))


@dataclass(frozen=True, slots=True)
class Alarms:
    """All signals: the sums of both sides, what still waits for a whole window, and each alarm."""

    blue: SideSample = NOTHING
    green: SideSample = NOTHING
    waiting_blue: SideSample = NOTHING
    waiting_green: SideSample = NOTHING
    until: float = 0.0
    each: tuple[Alarm, ...] = tuple(_silent(signal) for signal in Signal)

    @property
    def firing(self) -> tuple[SignalReport, ...]:
        """Those that hold the ramp."""
        return tuple(
            SignalReport(one.signal, one.since or 0.0, one.why) for one in self.each if one.fires
        )

    def persisting(self, certainty: Certainty) -> Alarm | None:
        """Return the first that takes the rollout back, if there is one."""
        return next((one for one in self.each if one.persists(certainty)), None)

    def listening_again(self) -> Alarms:
        """Return them as after a step back: what fires has yet to fire once more to persist."""
        return replace(self, each=tuple(replace(one, held=min(one.held, 1)) for one in self.each))


SILENT: Final = Alarms()


def listen(
    alarms: Alarms, window: WindowSample, limits: Thresholds, yardstick: Yardstick
) -> Alarms:
    """Add a window; one that cannot be true, or was seen before, changes nothing."""
    if window.problem() or window.since < alarms.until:
        return alarms
    heard = replace(
        alarms,
        until=window.until,
        waiting_blue=alarms.waiting_blue + window.blue,
        waiting_green=alarms.waiting_green + window.green,
    )
    whole = heard.waiting_green.requests >= SIGNAL_WINDOWS * yardstick.step
    return _closed(heard, limits) if whole and heard.waiting_blue.requests else heard


def _closed(heard: Alarms, limits: Thresholds) -> Alarms:
    before = Pair(heard.blue, heard.green)
    window = Pair(heard.waiting_blue, heard.waiting_green)
    each = tuple(
        _rung(one, read(one.signal, before, window, limits), limits, heard.until)
        for one in heard.each
    )
    return replace(
        heard,
        blue=heard.blue + window.blue,
        green=heard.green + window.green,
        waiting_blue=NOTHING,
        waiting_green=NOTHING,
        each=each,
    )


def _rung(alarm: Alarm, reading: Reading | None, limits: Thresholds, now: float) -> Alarm:
    """Take a reading in; a window without one leaves what was known, but a signal that is off."""
    if reading is None:
        return _silent(alarm.signal) if alarm.signal in limits.ignored else alarm
    after = replace(
        alarm,
        windows=alarm.windows + 1,
        hits=alarm.hits + reading.over,
        streak=alarm.streak + 1 if reading.over else 0,
        proof=alarm.proof.bet(reading.gains, late_starts=True),
    )
    if not _fires(after, limits):
        return replace(after, held=0, since=None, why="")
    since = now if alarm.since is None else alarm.since
    return replace(after, held=alarm.held + 1, since=since, why=reading.why)


def _fires(alarm: Alarm, limits: Thresholds) -> bool:
    if not alarm.streak:
        return False
    match alarm.signal:
        case Signal.ESCALATIONS:
            return True  # its line is drawn over all windows and beyond chance
        case Signal.LATENCY:
            return alarm.hits >= IN_A_ROW and alarm.hits > limits.p99_share * alarm.windows
        case _:
            return alarm.streak >= IN_A_ROW
