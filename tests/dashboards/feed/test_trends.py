"""The history of counters: bounded, one sample a second, gaps where nothing is known."""

from __future__ import annotations

import math

import numpy as np

from livebragg_dashboards.feed.trends import KEYS, MAX_SAMPLES, Trends


def test_it_keeps_one_sample_a_second_and_only_the_last_ten_minutes() -> None:
    trends = Trends()
    for tick in range(8000):
        trends.add(tick * 0.25, {"n_peaks": float(tick)})
    assert len(trends) == MAX_SAMPLES
    columns = trends.columns(2000.0)
    assert columns["age"][0] >= -602 and np.all(np.diff(columns["age"]) >= 0.99)


def test_unknown_and_infinite_values_are_gaps() -> None:
    trends = Trends()
    trends.add(0.0, {"lag_p50_s": math.inf, "n_peaks": 3.0})
    columns = trends.columns(0.0)
    assert set(columns) == {"age", *KEYS}
    assert math.isnan(columns["lag_p50_s"][0]) and math.isnan(columns["rate_received_hz"][0])
    assert columns["n_peaks"].tolist() == [3.0]


def test_nothing_gives_empty_columns() -> None:
    assert all(column.size == 0 for column in Trends().columns(0.0).values())
