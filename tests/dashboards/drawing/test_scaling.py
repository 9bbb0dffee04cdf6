"""Reduced and scaled pictures: nothing invented, nothing that a hot pixel can spoil."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg_dashboards.drawing.scaling import (
    Range,
    block_size,
    compress,
    reduce_max,
    reduce_mean,
    robust_range,
    to_bytes,
)


def blocks(image: np.ndarray, n: int, function: object) -> np.ndarray:
    """The slow way."""
    rows, cols = (-(-side // n) for side in image.shape)
    cut = [[image[r * n : (r + 1) * n, c * n : (c + 1) * n] for c in range(cols)] for r in range(rows)]
    return np.array([[function(part) for part in row] for row in cut], np.float32)  # type: ignore[operator]


@pytest.mark.parametrize("shape", [(6, 9), (7, 10), (2, 2), (1, 13)])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_blocks_are_reduced_as_the_slow_way_does(shape: tuple[int, int], n: int) -> None:
    image = np.random.default_rng(0).normal(5, 2, shape).astype(np.float32)
    image[0, 0] = np.nan
    if n > 1 and image.size > 1:
        np.testing.assert_allclose(reduce_mean(image, n), blocks(image, n, np.nanmean), rtol=1e-5)
        np.testing.assert_allclose(reduce_max(image, n), blocks(image, n, np.nanmax), rtol=1e-6)
    else:
        assert reduce_mean(image, n) is image and reduce_max(image, n) is image


def test_a_block_without_any_value_has_none() -> None:
    nothing = np.full((2, 2), np.nan, np.float32)
    assert np.isnan(reduce_mean(nothing, 2)).all() and np.isnan(reduce_max(nothing, 2)).all()


@pytest.mark.parametrize(("side", "limit", "expected"), [(512, 512, 1), (513, 512, 2), (2000, 512, 4)])
def test_no_side_is_longer_than_the_limit(side: int, limit: int, expected: int) -> None:
    assert block_size((3, side), limit) == expected


def test_a_hot_pixel_does_not_spoil_the_range() -> None:
    image = np.random.default_rng(0).random((50, 50))
    image[3, 3] = 1e9
    assert robust_range(image).high < 1.01


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0, 1e30, np.nan, np.inf])
def test_a_constant_or_empty_image_has_a_range_all_the_same(value: float) -> None:
    limits = robust_range(np.full((4, 4), value))
    assert limits.high > limits.low
    assert robust_range(np.zeros((0, 3))) == Range(0.0, 1.0)


def test_bytes_run_from_1_to_255_and_no_value_is_0() -> None:
    image = np.array([[-5.0, 0.0, 5.0, 10.0, 99.0, np.nan, np.inf]])
    assert to_bytes(image, Range(0.0, 10.0)).tolist() == [[1, 1, 128, 255, 255, 0, 0]]


@pytest.mark.parametrize("scale", ["linear", "sqrt", "log"])
def test_compressed_counts_keep_their_order_and_negative_ones_count_as_none(scale: str) -> None:
    out = compress(np.array([-4.0, 0.0, 1.0, 10.0, 1000.0]), scale)
    assert out[0] == out[1] == 0
    assert np.all(np.diff(out[1:]) > 0)
    assert not compress(np.zeros((2, 2)), scale).any()
