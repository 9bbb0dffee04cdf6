"""Checks name the key, the value and the limit."""

from __future__ import annotations

import pytest

from livebragg.config.checks import at_least, one_of, within
from livebragg.errors import ConfigError

NAN, INF = float("nan"), float("inf")


def test_values_on_the_limit_are_right() -> None:
    at_least("a.b", 0.5, 0.5)
    within("a.b", 1, 1, 2)
    within("a.b", 2, 1, 2)
    one_of("a.b", "x", ("x", "y"))


@pytest.mark.parametrize("value", [0.4, NAN, INF, -INF])
def test_too_small_or_no_number_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=rf"^a\.b must be at least 0\.5, not {value}$"):
        at_least("a.b", value, 0.5)


@pytest.mark.parametrize("value", [0.99, 2.01, NAN, INF])
def test_outside_of_a_range_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=rf"^a\.b must be between 1 and 2, not {value}$"):
        within("a.b", value, 1, 2)


def test_a_word_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"^a\.b must be one of 'x', 'y', not 'z'$"):
        one_of("a.b", "z", ("x", "y"))
