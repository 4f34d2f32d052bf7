"""What bodies leave behind goes back to the system, not too often, and for nothing not at all."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_router.memory import (
    LONGEST_REST_S,
    REST_S,
    WORTH_IT_BYTES,
    FreedMemory,
    give_back,
    resident_bytes,
)

MUCH = 2 * WORTH_IT_BYTES
BLOCKS, BLOCK_BYTES = 3_000, 100_000


class Process:
    """A process that holds some memory, of which some is in use."""

    def __init__(self) -> None:
        self.held = self.used = 1_000
        self.given_at: list[float] = []
        self.now = 0.0
        self.freed = FreedMemory(lambda: self.held, self.trim)

    def trim(self) -> None:
        self.given_at.append(self.now)
        self.held = self.used

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.freed.look(self.now)


def test_a_burst_is_given_back_and_the_next_one_after_a_rest() -> None:
    process = Process()
    process.after(1)
    process.held = MUCH
    process.after(1)
    assert process.held == process.used

    process.held = MUCH
    process.after(REST_S - 1)
    assert process.held == MUCH
    process.after(1)

    assert process.given_at == [2, 2 + REST_S]


def test_what_is_in_use_is_asked_for_less_and_less_often() -> None:
    process = Process()
    process.after(1)
    for _ in range(1_000):
        process.used += MUCH
        process.held = process.used
        process.after(REST_S)

    rests = [later - at for at, later in zip(process.given_at, process.given_at[1:], strict=False)]
    assert rests == sorted(rests)
    assert rests[-1] == LONGEST_REST_S


@given(st.lists(st.integers(0, WORTH_IT_BYTES - 1), max_size=30))
def test_little_is_left_alone(more: list[int]) -> None:
    process = Process()
    for one in more:
        process.used = process.held = 1_000 + one
        process.after(1)
        process.used = process.held = 1_000
        process.after(1)

    assert not process.given_at


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim") or not resident_bytes(),
    reason="the C library gives nothing back",
)
def test_the_c_library_really_gives_it_back() -> None:
    blocks = [b"x" * BLOCK_BYTES for _ in range(BLOCKS)]
    last = b"y" * BLOCK_BYTES  # what is in use above them keeps them
    held = resident_bytes()
    del blocks

    give_back()

    assert held - resident_bytes() > BLOCKS * BLOCK_BYTES / 2
    assert len(last) == BLOCK_BYTES
