"""Counts of any pixel type become a padded single-precision image; odd pixels are counted."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.kernels.load import PIXEL_TYPES, drop_negative, load_frame, scale_image

PAD = 3
NONE = np.zeros(0, np.int64)
FLOATS = tuple(kind for kind in PIXEL_TYPES if kind.startswith("f"))


def load(frame, offset=0.0, keep_negative=False, bad=NONE):
    """Largest pixel, the image without its padding, and the health counters."""
    image = np.full((frame.shape[0] + 2 * PAD, frame.shape[1] + 2 * PAD), 7.0, np.float32)
    health = np.zeros(5, np.int64)
    kind = PIXEL_TYPES.index(frame.dtype.kind + str(frame.dtype.itemsize))
    top = load_frame(frame.view(np.uint8), kind, offset, keep_negative, PAD, bad, image, health)
    inner = image[PAD:-PAD, PAD:-PAD].copy()
    image[PAD:-PAD, PAD:-PAD] = 7.0
    assert (image == 7.0).all()  # the padding is not touched
    return top, inner, health.tolist()


def flat_positions(mask):
    """Where the pixels of a mask lie in the flat padded image."""
    return np.flatnonzero(np.pad(mask, PAD)).astype(np.int64)


@pytest.mark.parametrize("kind", PIXEL_TYPES)
@pytest.mark.parametrize("offset", [0.0, 5.0, -2.5])
def test_frames_of_every_type_lose_their_offset(kind, offset):
    frame = np.random.default_rng(1).integers(0, 256 if kind == "u1" else 30000, (6, 11)).astype(kind)
    top, image, health = load(frame, offset, keep_negative=True)
    expected = frame.astype(np.float64) - offset
    np.testing.assert_allclose(image, expected, rtol=1e-6)
    assert top == pytest.approx(expected.max())
    assert health == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", [kind for kind in PIXEL_TYPES if not kind.startswith("f")])
def test_the_largest_count_of_every_integer_type_is_read_right(kind):
    largest = np.iinfo(kind).max
    top, image, health = load(np.array([[0, largest, 1]], kind))
    assert top == np.float32(largest)
    assert image.tolist() == [[0, np.float32(largest), 1]]
    assert health == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", [kind for kind in PIXEL_TYPES if not kind.startswith("u")])
def test_negative_pixels_become_zero_and_are_counted_unless_they_are_noise(kind):
    frame = np.array([[3, -2, 0], [-7, 5, 1]], kind)
    top, image, health = load(frame)
    assert (top, image.tolist()) == (5.0, [[3, 0, 0], [0, 5, 1]])
    assert health == [0, 2, 0, 0, 0]
    top, image, health = load(frame, keep_negative=True)
    assert (top, image.tolist()) == (5.0, frame.tolist())
    assert health == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", ["u1", "u2", "u4"])
def test_counts_below_the_offset_are_negative(kind):
    top, image, health = load(np.array([[1, 4], [9, 2]], kind), offset=3.0)
    assert (top, image.tolist()) == (6.0, [[0, 1], [6, 0]])
    assert health == [0, 2, 0, 0, 0]


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("keep_negative", [False, True])
@pytest.mark.parametrize("odd", [np.nan, -np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_becomes_zero_and_is_counted(kind, keep_negative, odd):
    frame = np.array([[1, 2, 0.5], [4, 3, 2]], kind)
    frame[1, 0] = odd
    top, image, health = load(frame, keep_negative=keep_negative)
    assert (top, image.tolist()) == (3.0, [[1, 2, 0.5], [0, 3, 2]])
    assert health == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", FLOATS)
def test_odd_and_negative_pixels_of_one_frame_are_counted_apart(kind):
    frame = np.array([[np.nan, 1, -2], [np.inf, 5, -np.inf], [6, 1, 0]], kind)
    top, image, health = load(frame)
    assert (top, image.tolist()) == (6.0, [[0, 1, 0], [0, 5, 0], [6, 1, 0]])
    assert health == [3, 1, 0, 0, 0]
    top, image, health = load(frame, keep_negative=True)
    assert image.tolist() == [[0, 1, -2], [0, 5, 0], [6, 1, 0]]
    assert health == [3, 0, 0, 0, 0]


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_number_beyond_single_precision_is_odd():
    top, image, health = load(np.array([[1e300, 2.0, -1e300]]))
    assert (top, image.tolist()) == (2.0, [[0, 2, 0]])
    assert health == [2, 0, 0, 0, 0]


def test_negative_zero_is_just_zero():
    top, image, health = load(np.array([[-0.0, 1.0]], np.float32))
    assert (top, image.tolist()) == (1.0, [[0, 1]])
    assert health == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", PIXEL_TYPES)
def test_bad_pixels_are_zero_and_not_looked_at(kind):
    rng = np.random.default_rng(2)
    frame, mask = rng.integers(0, 100, (7, 9)).astype(kind), rng.random((7, 9)) < 0.3
    frame[mask] = np.nan if kind.startswith("f") else 120
    top, image, health = load(frame, bad=flat_positions(mask))
    np.testing.assert_array_equal(image, np.where(mask, 0, frame))
    assert top == frame[~mask].max()
    assert health == [0, 0, 0, 0, 0]


def test_a_bad_pixel_beside_an_odd_one_is_not_counted():
    frame = np.array([[np.nan, np.nan, 1], [-5, -4, 2]], np.float32)
    mask = np.array([[True, False, False], [False, True, False]])
    top, image, health = load(frame, bad=flat_positions(mask))
    assert (top, image.tolist()) == (2.0, [[0, 0, 1], [0, 0, 2]])
    assert health == [1, 1, 0, 0, 0]


def test_a_frame_without_a_positive_pixel_has_no_top():
    assert load(np.zeros((2, 3), np.uint16))[0] == 0.0
    assert load(np.full((2, 3), -4, np.int16), keep_negative=True)[0] == 0.0


@pytest.mark.parametrize("value", [1e-30, 0.1, 1.0, 1.5, 16777215.0, 3.4e38])
def test_the_top_is_read_from_the_bits_exactly(value):
    assert load(np.full((1, 2), value, np.float32))[0] == np.float32(value)


def test_health_counters_grow_from_frame_to_frame():
    image, health = np.zeros((1 + 2 * PAD, 2 + 2 * PAD), np.float32), np.zeros(5, np.int64)
    for pixels in ([[1, -1]], [[1, 1]], [[-1, np.nan]]):
        frame = np.array(pixels, np.float32).view(np.uint8)
        load_frame(frame, PIXEL_TYPES.index("f4"), 0.0, False, PAD, NONE, image, health)
    assert health.tolist() == [1, 2, 0, 0, 0]


def test_scaling_multiplies_the_frame():
    inner = np.random.default_rng(3).normal(size=(5, 8)).astype(np.float32)
    image = np.pad(inner, PAD)
    scale_image(0.3, PAD, image)
    np.testing.assert_array_equal(image, np.pad(inner * np.float32(0.3), PAD))


def test_negative_pixels_are_dropped_once_they_are_no_noise():
    inner, health = np.array([[1, -2, 3], [4, 5, 6], [-0.5, 0, -1]], np.float32), np.zeros(5, np.int64)
    image = np.pad(inner, PAD)
    drop_negative(PAD, image, health)
    np.testing.assert_array_equal(image, np.pad(np.maximum(inner, 0), PAD))
    assert health.tolist() == [0, 3, 0, 0, 0]
    drop_negative(PAD, image, health)
    assert health.tolist() == [0, 3, 0, 0, 0]
