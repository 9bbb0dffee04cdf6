"""Whole batches tell what frame after frame tells."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.detect.frames import as_pixels
from livebragg.detect.virtual import pack_masks
from livebragg.kernels.batch import analyze_batch, detect_batch, find_beam, prepare_frame, write_peaks
from livebragg.kernels.find import find_disks
from livebragg.kernels.load import PIXEL_TYPES
from livebragg.kernels.plan import FIT_COLUMNS, allocate_scratch
from livebragg.kernels.virtual import collect

SHAPE = (40, 52)
ROOM = 12


@pytest.fixture
def frames():
    """Three frames with 2, 0 and 3 squares that pass for disks."""
    rng = np.random.default_rng(1)
    stack = rng.poisson(1.0, (3, *SHAPE)).astype(np.int32)
    for i, r, c in [(0, 6, 8), (0, 25, 36), (2, 17, 24), (2, 8, 40), (2, 30, 7)]:
        stack[i, r : r + 5, c : c + 5] += 30
    stack[1, 3, 4] = -7
    return stack


def one_by_one(frames, counting, plan):
    """Columns of peaks of each frame, and the health of all, by the kernels of single frames."""
    health, columns, images = np.zeros(5, np.int64), [], []
    scratch = allocate_scratch(plan, 600)
    for frame in frames:
        fits = np.zeros((ROOM + 1, len(FIT_COLUMNS)))
        top = prepare_frame(frame, counting, plan, scratch, health)
        images.append((scratch.image.copy(), scratch.noise[0]))
        found = find_disks(plan, scratch, top, fits, health)
        columns.append(np.zeros((5, found), np.float32))
        write_peaks(fits, found, scratch.noise[0], columns[-1])
    return columns, health, images


@pytest.mark.parametrize("gain", [1.0, 4.0, 0.0])
def test_a_batch_finds_what_single_frames_hold(plan, scratch, frames, gain):
    pixels, kind = as_pixels((gain or 1.0) * frames.astype(np.float32), SHAPE)
    counting = (kind, gain, 0.0, 0.0)
    expected, expected_health, _ = one_by_one(pixels, counting, plan)
    columns, counts = np.zeros((5, 3 * ROOM), np.float32), np.zeros(3, np.int64)
    health, fits = np.zeros(5, np.int64), np.zeros((ROOM + 1, len(FIT_COLUMNS)))
    total = detect_batch(pixels, counting, plan, scratch, fits, columns, counts, health)
    assert counts.tolist() == [2, 0, 3]
    assert total == 5
    np.testing.assert_array_equal(columns[:, :total], np.concatenate(expected, axis=1))
    assert not columns[:, total:].any()
    assert health.tolist() == expected_health.tolist() == [0, 1, 0, 0, 1]
    np.testing.assert_allclose(columns[2, :total], (gain or 1.0) * 750, rtol=0.3)


def test_analysing_a_batch_also_reads_beam_detectors_and_sum(plan, scratch, frames):
    pixels, kind = as_pixels(frames, SHAPE)
    counting, center = (kind, 2.0, 0.0, 0.0), (19.0, 26.0)
    expected, expected_health, images = one_by_one(pixels, counting, plan)
    masks = np.random.default_rng(2).integers(0, 2, (2, *SHAPE)).astype(np.float32)
    columns, counts = np.zeros((5, 3 * ROOM), np.float32), np.zeros(3, np.int64)
    health, fits = np.zeros(5, np.int64), np.zeros((ROOM + 1, len(FIT_COLUMNS)))
    beam, virtual, pattern = np.zeros((3, 3)), np.zeros((3, 5)), np.zeros(SHAPE)
    beam, virtual, pattern = (array.astype(np.float32) for array in (beam, virtual, pattern))
    packed = pack_masks(masks)
    total = analyze_batch(
        pixels, counting, plan, scratch, fits, packed, center, 6.0, columns, counts, health, beam, virtual, pattern
    )
    np.testing.assert_array_equal(columns[:, :total], np.concatenate(expected, axis=1))
    assert health.tolist() == expected_health.tolist()
    expected_pattern, row, place = np.zeros(SHAPE, np.float32), np.zeros(5, np.float32), np.zeros(3, np.float32)
    for i, (image, gain) in enumerate(images):
        collect(image, plan.pad, gain, packed, row, expected_pattern)
        find_beam(expected[i], center, 6.0, place)
        np.testing.assert_array_equal(virtual[i], row)
        np.testing.assert_array_equal(beam[i], place)
    np.testing.assert_array_equal(pattern, expected_pattern)
    np.testing.assert_allclose(pattern, np.maximum(frames, 0).sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(
        virtual[:, :2], (masks[None] * np.maximum(frames, 0)[:, None]).sum((2, 3)), rtol=1e-6
    )
    np.testing.assert_allclose(beam[2, :2], [19, 26], atol=0.3)
    assert np.isnan(beam[1]).all()


def prepared(plan, scratch, frame, gain, offset, variance):
    """Top, image and health of one frame."""
    pixels, kind = as_pixels(frame[None], SHAPE)
    health = np.zeros(5, np.int64)
    top = prepare_frame(pixels[0], (kind, gain, offset, variance), plan, scratch, health)
    return top, scratch.image[plan.pad : -plan.pad, plan.pad : -plan.pad], health.tolist()


def test_a_frame_is_prepared_in_electrons(plan, scratch):
    frame = np.random.default_rng(3).integers(0, 90, SHAPE).astype(np.uint16)
    top, image, health = prepared(plan, scratch, frame, 4.0, 10.0, 0.25)
    np.testing.assert_allclose(image, (frame - 10.0) / 4.0, rtol=1e-6)
    assert top == pytest.approx((frame.max() - 10.0) / 4.0)
    assert scratch.noise.tolist() == [4.0, 0.25]
    assert health == [0, 0, 0, 0, 0]
    _, image, health = prepared(plan, scratch, frame, 4.0, 10.0, 0.0)
    np.testing.assert_allclose(image, np.maximum(frame - 10.0, 0) / 4.0, rtol=1e-6)
    assert health == [0, int((frame < 10).sum()), 0, 0, 1]


def test_negative_pixels_of_a_detector_that_counts_are_odd_and_of_a_noisy_one_are_not(plan, scratch):
    rng = np.random.default_rng(4)
    frame = rng.poisson(3.0, SHAPE).astype(np.float32)
    frame[4, 5] = -2.0
    _, image, health = prepared(plan, scratch, frame, 0.0, 0.0, 0.0)
    assert scratch.noise.tolist() == [1.0, 0.0]
    assert image.min() == 0.0
    assert health == [0, 1, 0, 0, 1]
    rows = np.indices(SHAPE)[0]
    frame = 5.0 * (rng.poisson(0.2 * rows) + rng.normal(0, 4.0, SHAPE))
    _, image, health = prepared(plan, scratch, frame.astype(np.float32), 0.0, 0.0, 0.0)
    assert scratch.noise[1] > 0
    assert image.min() < 0
    assert health == [0, 0, 0, 0, 0]


def test_a_frame_with_odd_and_negative_pixels_is_one_masked_frame(plan, scratch):
    frame = np.random.default_rng(5).poisson(3.0, SHAPE).astype(np.float32)
    frame[4, 5], frame[7, 8] = -2.0, np.nan
    *_, health = prepared(plan, scratch, frame, 0.0, 0.0, 0.0)
    assert health == [1, 1, 0, 0, 1]


@pytest.mark.parametrize("kind", PIXEL_TYPES)
def test_every_pixel_type_gives_the_same_disks(plan, scratch, frames, kind):
    stack = np.maximum(frames, 0)
    results = []
    for dtype in (kind, ">f4"):
        pixels, number = as_pixels(stack.astype(dtype), SHAPE)
        columns, counts = np.zeros((5, 3 * ROOM), np.float32), np.zeros(3, np.int64)
        fits, health = np.zeros((ROOM + 1, len(FIT_COLUMNS))), np.zeros(5, np.int64)
        detect_batch(pixels, (number, 1.0, 0.0, 0.0), plan, scratch, fits, columns, counts, health)
        results.append(columns)
    np.testing.assert_array_equal(*results)


def test_the_direct_beam_may_be_outshone_from_afar_but_not_lost():
    columns = np.array([[10, 16, 40], [10, 10, 40], [50, 90, 900], [1, 1, 1], [0.1, 0.2, 0.3]], np.float32)
    beam = np.zeros(3, np.float32)
    find_beam(columns, (10.5, 10.0), 8.0, beam)
    np.testing.assert_allclose(beam, [10, 10, 0.1])
    find_beam(columns, (80.0, 80.0), 8.0, beam)
    assert np.isnan(beam).all()


def test_peaks_are_written_in_counts():
    fits = np.array([[3.0, 4.0, 50.0, 1.0, 16.0, 0.04, 9.0, 0.0], [5.0, 6.0, 70.0, 1.0, 25.0, 0.01, 9.0, 1.0]])
    columns = np.zeros((5, 3), np.float32)
    write_peaks(fits, 2, 3.0, columns)
    expected = [[3, 5, 0], [4, 6, 0], [150, 210, 0], [12, 15, 0], [0.2, 0.1, 0]]
    np.testing.assert_allclose(columns, expected, rtol=1e-6)
