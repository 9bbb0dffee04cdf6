"""Numbers and foreign texts as people read them."""

from __future__ import annotations

import math

import pytest

from livebragg_dashboards.words import UNKNOWN, clean, count, digits_for, number, percent, seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.5, "0.5"), (12.345, "12.3"), (999.6, "1000"), (1234.0, "1.23k"), (-2.5e6, "-2.5M"),
     (3e-7, "3.00e-07"), (1e300, "1.00e+300"), (None, UNKNOWN), (math.nan, UNKNOWN), (math.inf, UNKNOWN)],
)  # fmt: skip
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert number(value) == text


def test_counts_are_exact_as_long_as_one_can_read_them() -> None:
    assert (count(99_999), count(123_456), count(math.nan)) == ("99,999", "123k", UNKNOWN)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 ms"), (0.94, "940 ms"), (0.96, "1.0 s"), (59, "59 s"), (61, "1:01 min"), (3600, "1:00 h"),
     (1e9, "> 100 h"), (-1, UNKNOWN), (math.nan, UNKNOWN), (math.inf, UNKNOWN), (None, UNKNOWN)],
)  # fmt: skip
def test_times_have_the_unit_that_suits_them(value: float | None, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 %"), (1e-5, "< 0.1 %"), (0.034, "3.4 %"), (0.0997, "10 %"), (1.0, "100 %"), (math.nan, UNKNOWN)],
)
def test_parts_are_percent(value: float, text: str) -> None:
    assert percent(value) == text


def test_digits_suffice_to_tell_the_ends_of_a_scale_apart() -> None:
    low, high = 1000.2, 1000.9
    assert number(low, digits_for(low, high)) != number(high, digits_for(low, high))
    assert digits_for(math.nan, 1) == digits_for(2, 2) == digits_for(0, math.inf) == 3


def test_foreign_text_is_one_printable_line_of_limited_length() -> None:
    assert clean("a\x00b\n\tc\u202ed") == "a b c d"
    assert clean("x" * 10_000, 20) == "x" * 19 + "…"
    assert clean("  Kristall\u00e4rzte 4 ") == "Kristall\u00e4rzte 4"
