"""Sums over disks and boxes of bins against sliding windows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from livebragg.kernels.sums import BLOCK, box_sums, column_prefix, disk_spans, disk_sums, window_sums

PAD = 6
BINNINGS = [(1, 1), (2, 1), (2, 2), (4, 4)]


def counts(shape, seed=3, low=0):
    """Padded image of small whole numbers."""
    return np.pad(np.random.default_rng(seed).integers(low, 9, shape).astype(np.float32), PAD)


def binned(image, binning):
    """Sums over bins; those at the far edges may be cut."""
    inner = image[PAD:-PAD, PAD:-PAD].astype(np.float64)
    (rows, cols), (tall, wide) = inner.shape, binning
    whole = np.pad(inner, ((0, -rows % tall), (0, -cols % wide)))
    return whole.reshape(-(-rows // tall), tall, -(-cols // wide), wide).sum(axis=(1, 3))


def prefix_of(image, binning, margin, scale=1.0):
    """The kernel's prefix sums."""
    rows, cols = binned(image, binning).shape
    prefix = np.zeros((rows + 2 * margin + 1, cols + 2 * margin), np.int32)
    column_prefix(image, PAD, binning, margin, scale, prefix)
    return prefix


def disk_mask(offsets, halves, reach):
    """Boolean stencil drawn from the spans."""
    mask = np.zeros((2 * reach + 1, 2 * reach + 1), np.int64)
    for offset, half in zip(offsets, halves, strict=True):
        mask[reach - half : reach + half + 1, reach + offset] = 1
    return mask


def plain_sums(bins, stencil):
    """Sum over the stencil about every bin, the slow way."""
    reach = (stencil.shape[0] // 2, stencil.shape[1] // 2)
    padded = np.pad(bins, ((reach[0], reach[0]), (reach[1], reach[1])))
    return np.einsum("rcij,ij->rc", sliding_window_view(padded, stencil.shape), stencil)


def both_sums(prefix, spans, box, margin):
    """Disk and box sums of the kernel, without the margin, which is arbitrary."""
    width = prefix.shape[1]
    disk, whole = np.full((2, prefix.shape[0] - 1, width), -1, np.int32)
    lines = np.zeros((2, BLOCK + 4 * width), np.int32)
    window_sums(prefix, *spans, box, margin, lines, disk, whole)
    return disk[margin:-margin, margin:-margin], whole[margin:-margin, margin:-margin]


@pytest.mark.parametrize("binning", BINNINGS)
@pytest.mark.parametrize("radius", [1.0, 1.5, 3.0, 5.2, 8.0])
def test_the_spans_of_a_disk_cover_the_bins_whose_centres_lie_in_it(radius, binning):
    axis = np.arange(-9, 10)
    expected = (binning[0] * axis[:, None]) ** 2 + (binning[1] * axis[None, :]) ** 2 <= radius**2
    np.testing.assert_array_equal(disk_mask(*disk_spans(radius, binning), 9), expected)


def test_bins_that_lie_on_the_circle_belong_to_the_disk():
    axis = np.arange(-9, 10)
    squares = axis[:, None] ** 2 + axis[None, :] ** 2
    for square in np.unique(squares[squares <= 81]):
        drawn = disk_mask(*disk_spans(float(np.sqrt(square))), 9)
        np.testing.assert_array_equal(drawn, squares <= square, str(square))


@pytest.mark.parametrize("binning", BINNINGS)
@pytest.mark.parametrize("shape", [(8, 12), (9, 13), (11, 14), (3, 7)])
def test_the_prefix_sums_the_columns_of_bins_even_of_cut_ones(binning, shape):
    image, margin = counts(shape), 2
    bins, prefix = binned(image, binning), prefix_of(image, binning, margin)
    rows = bins.shape[0]
    np.testing.assert_array_equal(prefix[margin + 1 : margin + rows + 1, margin:-margin], bins.cumsum(axis=0))
    assert not prefix[: margin + 1].any()
    assert not prefix[:, :margin].any() and not prefix[:, -margin:].any()
    np.testing.assert_array_equal(prefix[margin + rows :], np.tile(prefix[margin + rows], (margin + 1, 1)))


@pytest.mark.parametrize("binning", BINNINGS)
def test_a_second_frame_leaves_nothing_of_the_first_in_the_prefix(binning):
    first, second, margin = counts((9, 13), 1), counts((9, 13), 2, low=-4), 2
    prefix = prefix_of(first, binning, margin)
    column_prefix(second, PAD, binning, margin, 1.0, prefix)
    np.testing.assert_array_equal(prefix, prefix_of(second, binning, margin))


@pytest.mark.parametrize("binning", BINNINGS)
def test_the_prefix_counts_in_units_and_leaves_out_what_is_less_than_one(binning):
    image = np.pad(np.random.default_rng(5).uniform(0, 3, (10, 12)).astype(np.float32), PAD)
    prefix = prefix_of(image, binning, 2, scale=16.0)
    got = np.diff(prefix[2:-2, 2:-2], axis=0)
    error = 16.0 * binned(image, binning) - got
    assert error.min() > -1e-3
    assert error.max() < 1.001


@pytest.mark.parametrize("binning", BINNINGS)
@pytest.mark.parametrize("radius", [0.5, 1.5, 5.2])
def test_disk_sums_from_the_prefix_equal_plain_sums(binning, radius):
    image, spans, margin = counts((13, 18)), disk_spans(radius, binning), 7
    bins, prefix = binned(image, binning), prefix_of(image, binning, margin)
    width, expected = prefix.shape[1], plain_sums(bins, disk_mask(*spans, 6))
    sums = np.full((prefix.shape[0] - 1, width), -1, np.int32)
    first = (margin + 1) * width + margin + 2
    disk_sums(prefix.reshape(-1), *spans, first, width + 1, width, sums.reshape(-1))
    np.testing.assert_array_equal(sums[margin + 1, margin + 2 : -margin], expected[1, 2:])
    np.testing.assert_array_equal(sums[margin + 2, margin : margin + 3], expected[2, :3])
    assert np.count_nonzero(sums.reshape(-1)[:first] != -1) == 0
    assert np.count_nonzero(sums.reshape(-1)[first + width + 1 :] != -1) == 0


@pytest.mark.parametrize("box", [(1, 5, 1), (2, 3, 3), (3, 7, 1), (0, 5, 3), (4, 7, 3), (5, 3, 5), (2, 1, 1)])
def test_box_sums_from_the_prefix_equal_plain_sums(box):
    image, margin = counts((11, 17)), 11
    prefix = prefix_of(image, (1, 1), margin)
    width, expected = (
        prefix.shape[1],
        plain_sums(binned(image, (1, 1)), np.ones((2 * box[0] + 1, box[1] * box[2]))),
    )
    sums, lines = np.zeros((prefix.shape[0] - 1, width), np.int32), np.zeros((2, 3 * width), np.int32)
    for r in range(11):
        box_sums(prefix.reshape(-1), box, (r + margin) * width + margin, 17, width, lines, sums.reshape(-1))
    np.testing.assert_array_equal(sums[margin:-margin, margin:-margin], expected)


@pytest.mark.parametrize(
    ("binning", "radius", "box"),
    [((1, 1), 1.5, (2, 5, 1)), ((2, 1), 3.2, (2, 3, 3)), ((2, 2), 5.2, (4, 3, 3)), ((4, 4), 10.0, (4, 9, 1))],
)
@pytest.mark.parametrize("shape", [(19, 23), (1, 3)])
def test_window_sums_equal_plain_sums(binning, radius, box, shape):
    image, spans, margin = counts(shape), disk_spans(radius, binning), 6
    bins = binned(image, binning)
    disk, whole = both_sums(prefix_of(image, binning, margin), spans, box, margin)
    np.testing.assert_array_equal(disk, plain_sums(bins, disk_mask(*spans, 5)))
    np.testing.assert_array_equal(whole, plain_sums(bins, np.ones((2 * box[0] + 1, box[1] * box[2]))))


@pytest.mark.parametrize("shape", [(70, 120), (62, 135), (3, BLOCK + 60)])
def test_window_sums_of_several_blocks_have_no_seams(shape):
    image, spans, margin = counts(shape, low=-3), disk_spans(2.0), 4
    bins = binned(image, (1, 1))
    assert (shape[0] - 1) * (shape[1] + 2 * margin) > BLOCK
    disk, whole = both_sums(prefix_of(image, (1, 1), margin), spans, (3, 5, 1), margin)
    np.testing.assert_array_equal(disk, plain_sums(bins, disk_mask(*spans, 2)))
    np.testing.assert_array_equal(whole, plain_sums(bins, np.ones((7, 5))))


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("binning", BINNINGS)
def test_sums_stay_exact_when_the_prefix_wraps_around(binning):
    shape, spans, box, margin = (144, 16), disk_spans(2.0, binning), (2, 5, 1), 4
    image = np.zeros((shape[0] + 2 * PAD, shape[1] + 2 * PAD), np.float32)
    image[PAD:-PAD, PAD:-PAD] = 2.0**26 / (binning[0] * binning[1])
    image[PAD + 140, PAD + 8] += 64.0
    prefix = prefix_of(image, binning, margin)
    assert prefix.min() < 0
    disk, whole = both_sums(prefix, spans, box, margin)
    bins = binned(image, binning)
    np.testing.assert_array_equal(disk, plain_sums(bins, disk_mask(*spans, 2)))
    np.testing.assert_array_equal(whole, plain_sums(bins, np.ones((5, 5))))
