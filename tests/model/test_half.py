"""Three digits in two bytes."""

from __future__ import annotations

import numpy as np

from livebragg.model.half import packed, unpacked


def test_any_size_and_either_sign_is_kept_to_a_thousandth_and_nan_stays_nan():
    values = np.geomspace(1e-6, 4e9, 500).astype(np.float32)
    np.testing.assert_allclose(unpacked(packed(values)), values, rtol=1e-3)
    np.testing.assert_array_equal(unpacked(packed(-values)), -unpacked(packed(values)))
    assert np.isnan(unpacked(packed(np.array([np.nan], np.float32)))).all()


def test_an_infinite_error_stays_infinite():
    np.testing.assert_array_equal(
        unpacked(packed(np.array([np.inf, -np.inf, 1e30], np.float32))), [np.inf, -np.inf, 65504.0**2]
    )


def test_what_is_too_large_is_the_largest_and_packing_again_changes_nothing():
    once = unpacked(packed(np.array([1e30, 0.1, 0.0, 123.4], np.float32)))
    assert once[0] == 65504.0**2
    np.testing.assert_array_equal(unpacked(packed(once)), once)
