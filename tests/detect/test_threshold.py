"""From false disks per frame to a significance."""

from __future__ import annotations

import pytest

from livebragg.detect.threshold import expected_false_disks, significance_for


def test_the_threshold_allows_what_was_asked():
    u = significance_for(0.1, 128 * 128, 5.0)
    assert 3.5 < u < 5
    assert expected_false_disks(u, 128 * 128, 5.0) == pytest.approx(0.1, rel=1e-6)


def test_fewer_false_disks_need_more_significance():
    assert (
        significance_for(0.01, 10_000, 5.0) > significance_for(0.1, 10_000, 5.0) > significance_for(1, 10_000, 5.0)
    )


def test_the_threshold_never_falls_below_two_standard_deviations():
    assert significance_for(1e6, 100, 5.0) == 2.0
