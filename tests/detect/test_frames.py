"""Any array of counts gets to the kernels as bytes they can read, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.detect.frames import as_frames, as_pixels
from livebragg.errors import FrameError
from livebragg.kernels.load import PIXEL_TYPES

SHAPE = (4, 6)


def read_back(pixels, kind):
    """What the kernels will read."""
    return pixels.view(PIXEL_TYPES[kind])


def counts(dtype="u1"):
    """Three frames of small counts."""
    return np.random.default_rng(0).integers(0, 100, (3, *SHAPE)).astype(dtype)


@pytest.mark.parametrize("dtype", PIXEL_TYPES)
def test_frames_of_a_known_type_are_not_copied(dtype):
    frames = counts(dtype)
    pixels, kind = as_pixels(frames, SHAPE)
    assert PIXEL_TYPES[kind] == dtype
    assert np.shares_memory(pixels, frames)
    assert pixels.shape == (3, 4, 6 * frames.itemsize)
    np.testing.assert_array_equal(read_back(pixels, kind), frames)


@pytest.mark.parametrize("dtype", [">u2", ">i4", ">f8", "i1", "u8", "i8", "f2", np.longdouble])
def test_frames_of_another_type_or_byte_order_become_single_precision(dtype):
    pixels, kind = as_pixels(counts(dtype), SHAPE)
    assert PIXEL_TYPES[kind] == "f4"
    np.testing.assert_array_equal(read_back(pixels, kind), counts())


@pytest.mark.parametrize(
    "pick",
    [
        lambda wide: wide[:, :, ::2],
        lambda wide: wide[:, ::-1, :6],
        lambda wide: wide[:, :, :6],
        lambda wide: wide[:, :, :6].transpose(2, 1, 0).copy().T,
    ],
    ids=["every other", "upside down", "cut", "columns first"],
)
@pytest.mark.parametrize("dtype", PIXEL_TYPES)
def test_frames_with_gaps_are_closed_up(pick, dtype):
    frames = pick(np.random.default_rng(1).integers(0, 100, (3, 4, 12)).astype(dtype))
    assert not frames.flags.c_contiguous
    pixels, kind = as_pixels(frames, SHAPE)
    assert PIXEL_TYPES[kind] == dtype
    np.testing.assert_array_equal(read_back(pixels, kind), frames)


def test_frames_at_an_odd_address_are_moved():
    raw = np.zeros(3 * 24 * 4 + 1, np.uint8)
    frames = raw[1:].view(np.float32).reshape(3, *SHAPE)
    frames[:] = counts()
    assert not frames.flags.aligned
    pixels, kind = as_pixels(frames, SHAPE)
    np.testing.assert_array_equal(read_back(pixels, kind), frames)
    assert read_back(pixels, kind).flags.aligned


def test_a_number_beyond_single_precision_becomes_infinite_without_a_warning():
    assert np.isinf(as_frames(np.full((1, *SHAPE), 1e300), SHAPE)).all()


@pytest.mark.parametrize("check", [as_frames, as_pixels])
@pytest.mark.parametrize(
    "frames",
    [
        np.zeros(SHAPE, np.uint16),
        np.zeros((1, 4, 7), np.uint16),
        np.zeros((1, 6, 4), np.int64),
        np.zeros((1, *SHAPE), bool),
        np.zeros((1, *SHAPE), complex),
        np.zeros((1, *SHAPE), "U1"),
    ],
)
def test_arrays_that_are_no_frames_are_refused(check, frames):
    with pytest.raises(FrameError, match=r"frames have (shape|dtype)"):
        check(frames, SHAPE)
