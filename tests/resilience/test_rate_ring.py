"""Never more than the limit in any minute, however many processes count."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.rate_ring import (
    RING_CELLS,
    count_request,
    current_slice,
    requests_counted,
    seconds_until_free,
)


@settings(max_examples=60)
@given(
    gaps=st.lists(st.floats(0, 8), max_size=150),
    limit=st.integers(1, 12),
    dispatchers=st.integers(1, 3),
)
def test_no_minute_sees_more_than_the_limit(
    gaps: list[float], limit: int, dispatchers: int
) -> None:
    rings = [[0] * RING_CELLS for _ in range(dispatchers)]
    now, begun = 1000.0, []
    for number, gap in enumerate(gaps):
        now += gap
        place = current_slice(now)
        if requests_counted(rings, place) < limit:
            count_request(rings[number % dispatchers], place)
            begun.append(now)
        else:
            wait_s = seconds_until_free(rings, now, limit)
            assert 0 < wait_s <= 65
            later = current_slice(now + wait_s + 1e-6)
            assert requests_counted(rings, later) < limit

    assert all(sum(at <= one < at + 60 for one in begun) <= limit for at in begun)


def test_a_steady_stream_below_the_limit_is_never_refused() -> None:
    ring, now = [0] * RING_CELLS, 0.0
    for _ in range(500):
        now += 60 / 50
        place = current_slice(now)
        assert requests_counted([ring], place) < 60
        count_request(ring, place)
