"""Pixels without data: those of the detector's mask, and those that its frames show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from livebragg.model import Acquisition, pack_mask
from livebragg.pipeline.pixel_health import SURE_FRAMES, PixelHealth

SHAPE = (12, 17)


def acquisition(**facts: Any) -> Acquisition:
    fields = {"acquisition_id": "a", "scan_shape": None, "frame_shape": SHAPE, "dtype": "uint16"}
    return Acquisition(**fields | facts)


def frames(n: int, dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(n).poisson(5, (n, *SHAPE)).astype(dtype)


def test_without_a_highest_count_nothing_is_touched() -> None:
    taken = frames(3)
    assert PixelHealth(acquisition()).clean(taken) is taken


def test_frames_that_are_all_data_are_not_copied() -> None:
    taken = frames(3)
    assert PixelHealth(acquisition(highest_count=65_534)).clean(taken) is taken


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_a_pixel_without_data_in_one_frame_is_missing_there_only(dtype: str) -> None:
    top = np.iinfo(dtype).max
    health = PixelHealth(acquisition(dtype=dtype, highest_count=int(top) - 1))
    taken = frames(4, dtype)
    expected = taken.astype(np.float32)
    taken[2, 3, 4] = top
    expected[2, 3, 4] = np.nan
    taken.flags.writeable = False
    assert np.array_equal(health.clean(taken), expected, equal_nan=True)
    assert not health.bad.any()


def test_masked_pixels_hold_nothing_and_the_frames_keep_their_type() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[5, :] = True
    health = PixelHealth(acquisition(bad_pixels=pack_mask(mask), highest_count=60_000))
    taken = frames(2)
    taken[:, 5, :] = 65_535
    cleaned = health.clean(taken)
    assert cleaned.dtype == np.uint16
    assert np.array_equal(health.bad, mask)
    assert np.all(cleaned[:, 5, :] == 0)
    assert np.array_equal(cleaned[:, 4, :], taken[:, 4, :])


def test_gaps_that_no_mask_tells_are_learned_from_the_first_frames() -> None:
    health = PixelHealth(acquisition(highest_count=65_534))
    taken = frames(SURE_FRAMES)
    taken[:, :, 8] = 65_535
    taken[3, 2, 2] = 65_535
    for at in range(0, SURE_FRAMES, 4):
        cleaned = health.clean(taken[at : at + 4])
    assert np.array_equal(np.flatnonzero(health.bad.any(axis=0)), [8])
    assert health.bad[:, 8].all()
    assert health.revision == 1
    assert cleaned.dtype == np.uint16
    later = frames(4)
    later[:, 0, 0] = 65_535  # not from the first frames on
    health.clean(later)
    assert not health.bad[0, 0]


def test_a_mask_of_another_size_is_not_used() -> None:
    health = PixelHealth(acquisition(bad_pixels=pack_mask(np.ones((99, 99), bool))))
    assert not health.bad.any()
