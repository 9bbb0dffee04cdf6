"""Virtual detectors and the sum pattern against masked sums."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.detect.virtual import pack_masks
from livebragg.errors import FrameError
from livebragg.kernels.virtual import add_row, collect, weighted_sum

PAD = 9


@pytest.fixture
def image():
    """Padded 20 x 27 image of small counts."""
    inner = np.random.default_rng(3).poisson(2.0, (20, 27)).astype(np.float32)
    return np.pad(inner, PAD)


def sensitivities():
    """Four detectors on 20 x 27 pixels: a disk, one over it in two grades, speckle, and noise."""
    rows, cols = np.indices((20, 27))
    r, rng = np.hypot(rows - 9, cols - 14), np.random.default_rng(4)
    graded = 0.5 * (r <= 4) + 0.25 * (r <= 3)
    return np.stack([r <= 6, graded, rng.integers(0, 2, r.shape), rng.normal(size=r.shape)])


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_the_virtual_detectors_equal_masked_sums(image, n):
    masks = sensitivities()[:n].astype(np.float32)
    out, total = np.empty(n + 3, np.float32), np.ones((20, 27), np.float32)
    packed = pack_masks(masks)
    for _ in range(2):
        total[:] = 1.0
        collect(image, PAD, 2.0, packed, out, total)
    inner = image[PAD:-PAD, PAD:-PAD].astype(float)
    rows, cols = np.indices(inner.shape)
    expected = [*(2 * masks * inner).sum((1, 2)), 2 * inner.sum()]
    expected += [(rows * inner).sum() / inner.sum(), (cols * inner).sum() / inner.sum()]
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(total, 1 + 2 * inner)


def test_outlines_are_stored_for_plain_detectors_and_pixels_for_irregular_ones():
    packed = pack_masks(sensitivities())
    assert packed.dense_detectors.tolist() == [2, 3]
    assert set(packed.detectors) == {0, 1}
    assert packed.steps[packed.detectors == 0].tolist().count(1.0) == 13
    assert np.count_nonzero(packed.detectors == 0) == 26


@pytest.mark.parametrize("masks", [np.ones((20, 27)), np.full((1, 20, 27), np.nan)])
def test_virtual_detectors_that_are_none_are_refused(masks):
    with pytest.raises(FrameError, match="virtual detectors"):
        pack_masks(masks)


def test_a_dark_field_below_a_direct_beam_of_many_million_electrons_stays_exact():
    image = np.pad(np.ones((20, 27), np.float32), PAD)
    image[PAD + 3, PAD + 4 : PAD + 20] = 9_999_999.0
    masks = np.ones((1, 20, 27), np.float32)
    masks[0, :10] = 0
    out = np.empty(4, np.float32)
    collect(image, PAD, 1.0, pack_masks(masks), out, np.zeros((20, 27), np.float32))
    assert out[0] == 270


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_frame_without_counts_has_no_centre_of_mass(value):
    out = np.empty(4, np.float32)
    image = np.pad(np.full((20, 27), value, np.float32), PAD)
    collect(image, PAD, 1.0, pack_masks(np.ones((1, 20, 27))), out, np.zeros((20, 27), np.float32))
    assert out[:2].tolist() == [540 * value, 540 * value]
    assert np.isnan(out[2:]).all()


def test_a_row_is_added_to_the_columns_and_to_the_sum_pattern():
    rng = np.random.default_rng(5)
    row, columns, pattern = rng.uniform(0, 9, 13).astype(np.float32), np.ones(13), np.full(13, 2.0, np.float32)
    assert add_row(row, 3.0, columns, pattern) == pytest.approx(row.sum(), rel=1e-6)
    np.testing.assert_allclose(columns, 1.0 + row)
    np.testing.assert_allclose(pattern, 2.0 + 3.0 * row, rtol=1e-6)


def test_a_weighted_sum_is_a_dot_product():
    row, weights = np.random.default_rng(6).uniform(0, 9, (2, 13)).astype(np.float32)
    assert weighted_sum(row, weights) == pytest.approx(float(row @ weights), rel=1e-6)
