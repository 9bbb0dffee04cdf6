"""From false disks per frame to a significance."""

from __future__ import annotations

import pytest

from livebragg.detect.threshold import LOWEST, expected_false_disks, independent_places, significance_for

PLACES = independent_places(128 * 128, 79.0)


def test_the_threshold_allows_what_was_asked():
    u = significance_for(0.1, PLACES)
    assert 3.5 < u < 5
    assert expected_false_disks(u, PLACES) == pytest.approx(0.1, rel=1e-6)


def test_fewer_false_disks_need_more_significance():
    assert significance_for(0.01, PLACES) > significance_for(0.1, PLACES) > significance_for(1, PLACES)


def test_larger_disks_have_fewer_independent_places():
    assert independent_places(10_000, 200.0) < independent_places(10_000, 20.0) < 10_000


def test_the_threshold_never_falls_below_two_standard_deviations():
    assert significance_for(1e6, 10.0) == LOWEST == 2.0
