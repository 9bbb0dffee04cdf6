"""Lag of what is published, the start apart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from livebragg.pipeline.scan.counters import OF_RESULTS, RunCounters


def result(*sent_at: float) -> Any:
    pieces = [SimpleNamespace(sent_at=at) for at in sent_at]
    return SimpleNamespace(**dict.fromkeys(OF_RESULTS, 1), pieces=pieces, newest_sent_at=max(sent_at))


def test_what_was_sent_before_the_first_maps_is_not_in_the_lag() -> None:
    counters = RunCounters()
    counters.add(result(10.0, 10.1), 10.8)
    counters.published(10.9)
    counters.add(result(10.5), 11.0)  # sent before, published later
    counters.add(result(10.95), 11.0)
    counters.published(11.05)
    numbers = counters.numbers(11.1)
    assert abs(numbers["lag_start_s"] - 0.9) < 1e-9
    assert abs(numbers["lag_p99_s"] - 0.1) < 1e-9
    assert abs(numbers["lag_s"] - 0.1) < 1e-9


def test_the_lag_is_that_of_the_start_until_more_is_known() -> None:
    counters = RunCounters()
    assert counters.numbers(10.0)["lag_p50_s"] == 0.0
    counters.published(10.0)  # maps without news: nothing was shown yet
    counters.add(result(10.5), 11.0)
    counters.published(11.0)
    assert counters.numbers(11.0)["lag_p50_s"] == 0.5
