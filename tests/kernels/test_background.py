"""The coarse background: what lies between the disks, and how even it is."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.kernels.background import _MOST_TRUST, cell_sums, tile_background
from livebragg.kernels.sums import column_prefix

PAD, MARGIN = 5, 3


def prefix_of(frame, binning=(1, 1), scale=1.0):
    """Column prefix sums of a frame."""
    rows, cols = (-(-size // side) for size, side in zip(frame.shape, binning, strict=True))
    prefix = np.zeros((rows + 2 * MARGIN + 1, cols + 2 * MARGIN), np.int32)
    column_prefix(np.pad(frame, PAD).astype(np.float32), PAD, binning, MARGIN, scale, prefix)
    return prefix


def cells_of(frame, cell):
    """Sums of a frame over cells, the plain way."""
    steps = [np.arange(0, size, side) for size, side in zip(frame.shape, cell, strict=True)]
    return np.add.reduceat(np.add.reduceat(frame.astype(np.float64), steps[0], 0), steps[1], 1).astype(np.float32)


def background(frame, tiles, cell=(5, 5), variance=0.0, use=None):
    """Level and trust of the tiles of a frame, of which only the pixels in `use` count."""
    use = np.ones(frame.shape) if use is None else use
    cells, areas = cells_of(frame * use, cell), cells_of(use, cell)
    level, trust = np.zeros((2, *tiles))
    tile_background(cells, areas, variance, np.zeros((3, cells.shape[1]), np.float32), level, trust)
    return level, trust


@pytest.mark.parametrize("shape", [(12, 20), (13, 17), (4, 3)])
@pytest.mark.parametrize("cell", [(1, 1), (3, 5), (4, 4), (5, 2), (9, 8)])
def test_cells_are_summed_even_where_the_frame_cuts_them(shape, cell):
    frame = np.random.default_rng(0).integers(-3, 9, shape)
    expected = cells_of(frame, cell)
    cells = np.full(expected.shape, -1, np.float32)
    cell_sums(prefix_of(frame), MARGIN, cell, 1.0, np.zeros(shape[1], np.int32), cells)
    np.testing.assert_array_equal(cells, expected)


def test_cells_of_bins_are_in_electrons():
    frame = np.random.default_rng(0).integers(0, 9, (13, 19)) / 4
    cells = np.zeros((3, 4), np.float32)
    cell_sums(prefix_of(frame, (2, 1), 64.0), MARGIN, (3, 5), 1 / 64, np.zeros(19, np.int32), cells)
    np.testing.assert_allclose(cells, cells_of(frame, (6, 5)))


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_cells_stay_exact_when_the_prefix_wraps_around():
    frame = np.full((60, 4), 2.0**26)
    prefix = prefix_of(frame)
    assert prefix.min() < 0
    cells = np.zeros((20, 2), np.float32)
    cell_sums(prefix, MARGIN, (3, 2), 0.5, np.zeros(4, np.int32), cells)
    np.testing.assert_array_equal(cells, 3 * 2.0**26)


@pytest.mark.parametrize("mean", [0.05, 0.5, 4.0, 60.0])
def test_the_level_of_a_flat_frame_is_its_mean(mean):
    frame = np.random.default_rng(4).poisson(mean, (80, 90))
    level, _ = background(frame, (2, 3))
    error = np.sqrt(mean / (40 * 30))
    np.testing.assert_allclose(level, mean, atol=4 * error + 0.03 * mean)
    assert level.mean() == pytest.approx(mean, abs=2 * error + 0.03 * mean)


@pytest.mark.parametrize("brightness", [2.0, 40.0])
def test_bright_disks_do_not_raise_the_level(brightness):
    rng, rows, cols = np.random.default_rng(5), *np.indices((80, 90))
    mean = np.full((80, 90), 2.0)
    for row, col in rng.uniform(0, 80, (12, 2)):
        mean[np.hypot(rows - row, cols - col) < 4] += brightness
    assert mean.mean() > 2.1
    level, _ = background(rng.poisson(mean), (2, 2))
    np.testing.assert_allclose(level, 2.0, rtol=0.1)


def test_an_empty_frame_has_a_level_above_zero():
    level, trust = background(np.zeros((40, 50)), (2, 2))
    np.testing.assert_allclose(level, 1.0 / (20 * 25 + 40 * 50 / 0.5))
    assert (trust > 0).all()


def test_a_negative_frame_has_a_level_above_zero():
    level, trust = background(np.full((40, 50), -3.0), (2, 2), variance=4.0)
    assert (level > 0).all()
    assert (trust > 0).all()


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_masked_pixels_do_not_count_and_a_masked_tile_is_no_hole():
    frame, use = np.random.default_rng(6).poisson(3.0, (60, 60)), np.ones((60, 60))
    use[2::5, 3::5] = 0  # in every cell
    use[10:15, 20:25] = 0  # one cell
    use[30:, :30] = 0  # one tile
    level, trust = background(frame, (2, 2), use=use)
    np.testing.assert_allclose(level[[0, 0, 1], [0, 1, 1]], 3.0, rtol=0.08)
    assert level[1, 0] == pytest.approx(3.0, rel=0.08)  # the frame's mean
    assert np.isfinite(trust).all()


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_bright_disks_do_not_raise_the_level_around_a_beam_stop():
    (rows, cols), levels = np.indices((30, 30)), []
    mean, use = np.ones((30, 30)), np.ones((30, 30))
    for row, col in [(4, 4), (4, 20), (20, 5), (24, 25)]:
        mean[np.hypot(rows - row, cols - col) < 4] += 3.0
    use[15:20, 15:20] = 0
    for seed in range(10):
        frame = np.random.default_rng(seed).poisson(mean)
        levels.append(background(frame, (1, 1), use=use)[0].item())
    assert np.mean(levels) == pytest.approx(1.0, rel=0.1)


def test_read_noise_widens_what_is_let_in():
    rng = np.random.default_rng(7)
    frame = rng.poisson(1.0, (100, 100)) + rng.normal(0, 3.0, (100, 100))
    level, trust = background(frame, (2, 2), variance=9.0)
    np.testing.assert_allclose(level, 1.0, atol=4 * np.sqrt(10 / 2500) + 0.05)
    assert (trust > 20).all()


def test_an_even_background_is_trusted_and_a_gradient_is_not():
    rng, rows = np.random.default_rng(8), np.indices((120, 120))[0]
    _, flat = background(rng.poisson(3.0, (120, 120)), (4, 4))
    assert np.median(flat) > 0.8 * _MOST_TRUST
    assert flat.max() <= _MOST_TRUST + 1e-9
    _, steep = background(rng.poisson(np.exp(rows / 15)), (4, 4))
    assert steep.max() < 5.0
    assert steep.min() >= 1.0


def test_trust_is_one_over_the_relative_variance_among_neighbouring_tiles():
    tiles = np.random.default_rng(9).uniform(2.0, 3.0, (3, 4))
    level, trust = background(np.kron(tiles, np.ones((20, 20))), (3, 4), variance=0.5)
    np.testing.assert_allclose(level, tiles, rtol=1e-3)  # one count of the whole frame is added
    around = np.pad(tiles, 1, constant_values=np.nan)
    shifted = [around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]]
    square = np.nanmean((np.stack(shifted) - tiles) ** 2, axis=0)
    relative = np.maximum(square - 2 * (tiles + 0.5) / 400, 0.0) / tiles**2
    np.testing.assert_allclose(trust, np.maximum(1 / (relative + 1 / _MOST_TRUST), 1.0), rtol=5e-3)
