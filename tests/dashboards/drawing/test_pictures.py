"""Each panel's picture shows what the message says, pixel by pixel."""

from __future__ import annotations

import numpy as np
from makers import class_maps, class_patterns, vector_map, virtual_images

from livebragg_dashboards.drawing.colours import FIRST_CLASS, LEVELS, NOT_CLASSIFIED, NOT_SEEN, slot_of
from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.drawing.pictures import (
    MAX_CLASS_SIDE,
    MAX_PATTERN_SIDE,
    class_picture,
    counts_picture,
    pattern_pictures,
    seen_positions,
    virtual_picture,
)


def test_every_label_becomes_the_index_of_its_class_and_confidence() -> None:
    maps = class_maps()
    pixels = class_picture(maps, seen_positions(virtual_images(), maps.labels.shape)).pixels
    families = dict(zip(maps.class_ids, maps.class_families, strict=True))
    for at, label in np.ndenumerate(maps.labels):
        if label < 0:
            assert pixels[at] == (NOT_SEEN if at[0] == 2 else NOT_CLASSIFIED)
        else:
            assert pixels[at] == FIRST_CLASS + LEVELS * slot_of(int(label), families[int(label)]) + LEVELS - 1


def test_confidence_that_is_no_number_or_out_of_range_stays_within_the_class() -> None:
    labels = np.zeros((1, 4), np.int16)
    confidence = np.array([[np.nan, -2, 0.5, 9]], np.float32)
    pixels = class_picture(class_maps(labels=labels, confidence=confidence)).pixels
    assert pixels.tolist() == [[FIRST_CLASS, FIRST_CLASS, FIRST_CLASS + LEVELS // 2, FIRST_CLASS + LEVELS - 1]]


def test_a_label_that_is_not_in_the_list_of_classes_is_drawn_all_the_same() -> None:
    labels = np.full((1, 2), 17, np.int16)
    assert class_picture(class_maps(labels=labels)).pixels[0, 0] >= FIRST_CLASS + LEVELS * slot_of(17, "crystal")


def test_a_huge_scan_is_thinned_and_keeps_its_extent() -> None:
    labels = np.zeros((4, 3 * MAX_CLASS_SIDE + 1), np.int16)
    picture = class_picture(class_maps(labels=labels))
    assert picture.pixels.shape[1] <= MAX_CLASS_SIDE
    assert picture.axes.extent == (0, labels.shape[1], 0, 4)
    assert picture.drawn[1] >= labels.shape[1]


def test_images_of_another_shape_say_nothing_about_what_was_seen() -> None:
    assert seen_positions(virtual_images(), (9, 9)) is None
    assert seen_positions(None, (3, 5)) is None


def test_a_virtual_image_runs_between_its_percentiles_and_has_holes_where_nothing_was_seen() -> None:
    picture = virtual_picture(virtual_images().images[0])
    assert (picture.pixels[2] == 0).all()
    assert picture.pixels[0, 0] == 1 and picture.pixels[1, 4] == 255
    assert picture.limits is not None and 0 <= picture.limits.low < picture.limits.high <= 9


def test_weak_peaks_show_beside_the_direct_beam() -> None:
    counts = vector_map().map.copy()
    counts[:, 0] = 1
    axes = Axes(shape=counts.shape)
    assert counts_picture(counts, axes, "log").pixels[1, 9] > 100
    assert counts_picture(counts, axes, "linear").pixels[1, 9] < 40


def test_an_empty_map_is_dark_and_not_full_of_noise() -> None:
    assert (counts_picture(np.zeros((5, 7), np.float32), Axes(shape=(5, 7)), "log").pixels == 1).all()


def test_patterns_are_small_and_frames_that_are_gone_leave_holes() -> None:
    patterns = np.ones((2, 300, 200), np.float32)
    patterns[1] = np.nan
    pictures = pattern_pictures(class_patterns(class_ids=[4, 9], patterns=patterns, n_frames=[1, 0]))
    assert pictures[4].shape == (100, 67) and max(pictures[4].shape) <= MAX_PATTERN_SIDE
    assert (pictures[9] == 0).all()


def test_noise_of_a_class_without_scattering_stays_dark_beside_the_others() -> None:
    patterns = np.random.default_rng(1).poisson(100.0, (3, 40, 40)).astype(np.float32)
    patterns[2] = patterns[2] > 100
    pictures = pattern_pictures(class_patterns(patterns=patterns))
    assert pictures[0].max() == 255
    assert pictures[2].max() < 80


def test_vacuum_that_is_the_only_class_yet_is_dark_but_for_its_beam() -> None:
    rng, (rows, cols) = np.random.default_rng(2), np.indices((64, 64))
    radius = np.hypot(rows - 32, cols - 32)
    expected = 200.0 * (radius < 4) + 2.0 * np.exp(-radius / 4) + 0.01
    for frames in (1, 10, 1000):
        pattern = rng.poisson(frames * expected)[None].astype(np.float32) / frames
        message = class_patterns(class_ids=[3], patterns=pattern, n_frames=[frames])
        picture = pattern_pictures(message, vacuum=[3])[3]
        assert (picture[radius < 3] > 200).all()
        assert (picture[radius > 12] < 70).all()
    # Some weak light of another class is shown, once it is more than noise.
    halo = np.full((1, 64, 64), 0.01, np.float32) + 0.05 * np.exp(-(((radius - 20) / 5) ** 2))
    message = class_patterns(class_ids=[3], patterns=halo.astype(np.float32), n_frames=[1000])
    assert pattern_pictures(message)[3][32, 52] > 200
