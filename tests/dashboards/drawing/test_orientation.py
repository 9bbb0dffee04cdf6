"""Rows run down, columns to the right, and what the pointer is on is what is drawn there."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg_dashboards.drawing.orientation import Axes, q_axes


def test_row_0_is_at_the_top_and_columns_run_to_the_right() -> None:
    axes = Axes(shape=(4, 6))
    left, right, top, bottom = axes.extent
    assert (left, right, top, bottom) == (0, 6, 0, 4)
    assert axes.position_at(5.5, 0.5) == (0, 5)
    assert axes.position_at(0.5, 3.5) == (3, 0)


@pytest.mark.parametrize("place", [(-0.1, 1), (6.1, 1), (1, -0.1), (1, 4.1), (float("nan"), 1), (1, float("inf"))])
def test_a_place_beside_the_picture_is_no_position(place: tuple[float, float]) -> None:
    assert Axes(shape=(4, 6)).position_at(*place) is None


@pytest.mark.parametrize("axes", [Axes(shape=(4, 6)), q_axes((4, 6), (1.3, 4.2), 0.02, bins=2.0)])
def test_the_centre_of_every_pixel_leads_back_to_it(axes: Axes) -> None:
    for row in range(4):
        for col in range(6):
            assert axes.position_at(*axes.to_xy(row, col)) == (row, col)


def test_the_direct_beam_lies_at_zero_and_distances_are_in_inverse_angstroms() -> None:
    axes = q_axes((100, 80), (40.0, 30.0), 0.02)
    assert axes.to_xy(40.0, 30.0) == (0, 0)
    x, y = axes.to_xy(np.array([50.0]), np.array([30.0]))
    assert (x[0], y[0]) == (0, pytest.approx(0.2))


def test_without_a_pixel_size_the_axes_are_in_detector_pixels() -> None:
    assert q_axes((9, 13), (4.0, 6.0), None, bins=2.0).to_xy(4.0, 8.0) == (1.0, 0.0)
