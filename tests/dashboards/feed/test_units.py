"""Sizes that make no sense are as good as unknown."""

from __future__ import annotations

import pytest
from makers import acquisition, status

from livebragg_dashboards.feed.units import probe_radius, q_pixel_size, scan_step_nm


@pytest.mark.parametrize("size", [None, 0.0, -1.0, 1e30, 1e-30])
def test_senseless_pixel_sizes_count_as_unknown(size: float | None) -> None:
    known = status(acquisition=acquisition(q_pixel_size_inv_angstrom=size, scan_step_nm=size))
    assert q_pixel_size(known) is None and scan_step_nm(known) is None


def test_until_the_probe_is_measured_its_radius_is_assumed() -> None:
    assert probe_radius(None) == 3.0 and probe_radius(status(probe=None), unknown=0.0) == 0.0
    assert probe_radius(status()) == 2.0
