"""Snapshots to feed messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.model import VIRTUAL_IMAGES, AnalysisSnapshot, BraggPeaks, MapGeometry, TrackedPeaks
from livebragg.pipeline.scan import feed_messages as feed
from livebragg.pipeline.scan.class_patterns import MeanPatterns
from livebragg.wire.codec import decode, encode

STAMP = feed.Stamp(serial=3, revision=9, published_at=20.0, newest_sent_at=19.5)
STAMPED = {"serial": 3, "revision": 9, "published_at": 20.0, "newest_sent_at": 19.5}


def snapshot() -> AnalysisSnapshot:
    """A scan of 2x3 positions, the last not seen."""
    seen = np.array([[True, True, True], [True, True, False]])
    image: NDArray[np.float32] = np.where(seen, np.arange(6).reshape(2, 3), np.nan).astype(np.float32)
    geometry = MapGeometry(shape=(11, 15), sampling=2.0)
    return AnalysisSnapshot(
        version=4, seen=seen, labels=np.array([[0, 0, 7], [-1, 7, -1]], np.int16), confidence=image / 10,
        class_ids=np.array([0, 7], np.int16), class_families=("crystal", "no_bragg"),
        class_positions=np.array([2, 2]), class_fractions=np.array([0.4, 0.4], np.float32),
        weights=np.stack([image, image]), shares=np.stack([image / 8, 1 - image / 8]),
        profile_radii=np.array([0.5, 1.5, 2.5], np.float32), class_profiles=np.ones((2, 2, 3), np.float32),
        class_patterns=np.zeros((2, 1), np.float32),
        class_vector_maps=np.zeros((2, 11, 15), np.float32),
        virtual_images={name: image + 10 * k for k, name in enumerate(VIRTUAL_IMAGES)},
        n_disks=image + 100, bragg_intensity=image + 200, origin=np.stack([image + 300, image + 400], axis=-1),
        bragg_vector_map=np.ones((11, 15), np.float32), map_geometry=geometry,
        peaks=TrackedPeaks(
            peak_id=np.array([5], np.int32), qx=np.array([1.5], np.float32), qy=np.array([-2], np.float32),
            support=np.array([8], np.float32), significance=np.array([9], np.float32),
            covariance=np.zeros((1, 2, 2), np.float32),
        ),
        events=(), residual=0.1, sum_pattern=np.zeros((4, 5)), duplicates=0, finished=False,
    )  # fmt: skip


def travelled(message: Any) -> Any:
    """The message as a reader gets it."""
    received = decode([bytes(part) for part in encode(message)])
    assert {key: getattr(received, key) for key in STAMPED} == STAMPED
    return received


def test_class_maps_carry_labels_names_and_counts() -> None:
    maps = travelled(feed.class_maps(snapshot(), STAMP))
    assert maps.labels.tolist() == [[0, 0, 7], [-1, 7, -1]]
    assert (maps.class_ids, maps.class_counts, maps.class_families) == ([0, 7], [2, 2], ["crystal", "no_bragg"])
    assert maps.class_names == ["Crystal 0", "No Bragg peaks 7"]
    assert np.isfinite(maps.confidence).all()
    assert maps.confidence[1, 2] == 0


def test_virtual_images_come_with_those_derived_from_disks() -> None:
    images = travelled(feed.virtual_images(snapshot(), STAMP))
    assert images.names == [*VIRTUAL_IMAGES, "n_disks", "bragg_intensity", "origin_qx", "origin_qy"]
    assert images.images.shape == (9, 2, 3)
    assert images.images[:, 0, 1].tolist() == [1, 11, 21, 31, 41, 101, 201, 301, 401]
    assert np.isnan(images.images[:, 1, 2]).all(), "not seen is not zero"


def test_the_vector_map_tells_where_its_origin_is() -> None:
    vectors = travelled(feed.vector_map(snapshot(), STAMP))
    assert vectors.map.shape == (11, 15)
    assert (vectors.origin_row, vectors.origin_col, vectors.bins_per_pixel) == (5.0, 7.0, 2.0)
    assert (vectors.peak_ids.tolist(), vectors.peak_qx.tolist(), vectors.peak_support.tolist()) == (
        [5],
        [1.5],
        [8],
    )


def test_the_latest_frame_comes_with_its_disks() -> None:
    one = np.array([2.5], np.float32)
    peaks = BraggPeaks(
        qx=one, qy=one + 1, intensity=one + 2, intensity_error=one, position_error=one, offsets=np.array([0, 1])
    )
    latest = travelled(feed.latest_frame(4, np.ones((4, 5), np.float32), peaks, STAMP))
    assert (latest.scan_index, latest.frame.shape) == (4, (4, 5))
    assert (latest.qx.tolist(), latest.qy.tolist(), latest.intensity.tolist()) == ([2.5], [3.5], [4.5])


def test_class_patterns_carry_how_many_frames_are_in_them() -> None:
    means = MeanPatterns(
        class_ids=np.array([0, 7], np.int16),
        patterns=np.stack([np.ones((4, 5)), np.full((4, 5), np.nan)]).astype(np.float32),
        n_frames=np.array([24, 0]),
    )
    patterns = travelled(feed.class_patterns(means, STAMP))
    assert (patterns.class_ids, patterns.n_frames) == ([0, 7], [24, 0])
    assert np.isnan(patterns.patterns[1]).all()


def test_class_maps_tell_what_else_a_position_is() -> None:
    mixed = replace(
        snapshot(), shares=np.array([[[0.7, 1, 0.4], [0, 0.02, 0]], [[0.3, 0, 0.6], [1, 0.98, 0]]], np.float32)
    )
    maps = travelled(feed.class_maps(mixed, STAMP))
    assert maps.second.tolist() == [[7, -1, 0], [7, -1, -1]]
    np.testing.assert_allclose(maps.parts[0] / 255, [[0.7, 1, 0.6], [0, 0.98, 0]], atol=0.003)
    np.testing.assert_allclose(maps.parts[1] / 255, [[0.3, 0, 0.4], [1, 0, 0]], atol=0.003)


def test_class_profiles_come_with_their_radii() -> None:
    profiles = travelled(feed.class_profiles(snapshot(), STAMP))
    assert (profiles.class_ids, profiles.radii.tolist()) == ([0, 7], [0.5, 1.5, 2.5])
    assert profiles.profiles.shape == (2, 2, 3)
