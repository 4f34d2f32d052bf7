"""Quantities and durations, for any number."""

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.errors import InvalidSizeError
from tierwise_core.quantities import format_bytes, parse_duration, parse_quantity

SCALES = {
    "": Decimal(1),
    **{f"{s}i": Decimal(1024) ** (i + 1) for i, s in enumerate("KMGTPE")},
    **{s: Decimal(1000) ** (i + 1) for i, s in enumerate("kMGTPE")},
    **{s: Decimal(1) / Decimal(1000) ** (i + 1) for i, s in enumerate("mun")},
}


@given(st.integers(min_value=-(2**63), max_value=2**63))
def test_an_integer_is_itself(number: int) -> None:
    assert parse_quantity(number) == number == parse_quantity(str(number))


@given(
    st.decimals(min_value=0, max_value=10**6, places=3, allow_nan=False),
    st.sampled_from(sorted(SCALES)),
)
def test_a_suffix_multiplies_and_a_fraction_is_rounded_up(number: Decimal, suffix: str) -> None:
    exact = number * SCALES[suffix]

    assert parse_quantity(f"{number}{suffix}") == int(exact.to_integral_value(ROUND_CEILING))


@given(st.integers(0, 999), st.integers(0, 18))
def test_an_exponent_is_a_power_of_ten(number: int, exponent: int) -> None:
    assert parse_quantity(f"{number}e{exponent}") == number * 10**exponent


@pytest.mark.parametrize(
    "text", ["", "Gi", "24GB", "24 Gi", "24gi", "1,5Gi", "0x10", "1e", "--1", "24K", "1_000"]
)
def test_other_text_is_no_quantity(text: str) -> None:
    with pytest.raises(InvalidSizeError, match="write a number and a suffix such as 24Gi"):
        parse_quantity(text)


@given(st.text())
def test_any_text_is_a_quantity_or_an_error_of_ours(text: str) -> None:
    try:
        parse_quantity(text)
    except InvalidSizeError as error:
        assert f'"{text}"' in str(error)  # noqa: PT017 - both ways are right


@given(st.integers(0, 999), st.integers(0, 59), st.integers(0, 59))
def test_the_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize("text", ["", "10", "10 minutes", "1d", "-1s", "m", "1h 30m"])
def test_other_text_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidSizeError, match="such as 10m or 1h30m"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=2**62))
def test_bytes_for_people_are_right_within_their_last_digit(size_bytes: int) -> None:
    number, unit = format_bytes(size_bytes).split()
    scale = SCALES[unit.removesuffix("B")]

    assert abs(Decimal(number) * scale - size_bytes) <= scale / 20 + 1
