from __future__ import annotations

import numpy as np

from livebragg.calibrate import PeakTracker
from livebragg.model import MapGeometry

GEOMETRY = MapGeometry.around((64, 80), center=(31.0, 40.0), sampling=2.0)


def map_of(points):
    out = np.zeros(GEOMETRY.shape)
    bins = GEOMETRY.to_bins(points[:, 0], points[:, 1])
    low = np.floor(bins).astype(int)
    f = bins - low
    for dr, dc in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = np.where(dr, f[:, 0], 1 - f[:, 0]) * np.where(dc, f[:, 1], 1 - f[:, 1])
        np.add.at(out, (low[:, 0] + dr, low[:, 1] + dc), share)
    return out


def spots(places, n, sigma=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([np.array(p) + rng.normal(0, sigma, (n, 2)) for p in places])


def false_disks(n, seed=1):
    return np.random.default_rng(seed).uniform(-25, 25, (n, 2))


def settled(points, **options):
    tracker = PeakTracker(GEOMETRY, **options)
    for _ in range(2):
        tracker.update(map_of(points), positions_seen=100)
    return tracker.snapshot()


def test_sharp_spots_over_a_background_are_found_at_their_places():
    places = [(12, 5), (-9, 14), (3, -20)]
    peaks = settled(np.concatenate([spots(places, 40), false_disks(500)]))
    found = np.stack([peaks.qx, peaks.qy], axis=1)
    assert len(peaks) == 3
    distance = np.hypot(*(found[:, None] - np.array(places)).transpose(2, 0, 1)).min(axis=1)
    assert distance.max() < 0.2
    assert np.abs(peaks.support - 40).max() < 12


def test_false_disks_alone_make_no_peak():
    assert len(settled(false_disks(4000))) == 0


def test_the_direct_beam_is_never_a_peak():
    assert len(settled(spots([(0, 0), (2, 1)], 500), exclude_radius=5.0)) == 0


def test_two_grains_two_pixels_apart_are_two_peaks():
    assert len(settled(spots([(12, 5), (13.4, 6.4)], 150, sigma=0.25))) == 2


def test_an_arc_is_not_a_peak():
    angle = np.random.default_rng(2).uniform(0, 1.2, 600)
    arc = 18 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    arc += np.random.default_rng(3).normal(0, 0.3, arc.shape)
    assert len(settled(np.concatenate([arc, spots([(-12, -5)], 60)]))) == 1


def test_a_peak_keeps_its_id_while_others_come():
    tracker = PeakTracker(GEOMETRY)
    tracker.update(map_of(spots([(12, 5)], 60)), 10)
    tracker.update(map_of(spots([(12, 5), (-9, 14), (3, -20)], 80)), 20)
    peaks = tracker.snapshot()
    first = peaks.peak_id[np.argmin(np.hypot(peaks.qx - 12, peaks.qy - 5))]
    assert first == 0
    assert sorted(peaks.peak_id.tolist()) == [0, 1, 2]
    assert [event.kind for event in tracker.events] == ["peak_born"] * 3


def test_a_faint_peak_waits_for_confirmation_and_a_lost_one_dies():
    tracker = PeakTracker(GEOMETRY)
    faint = map_of(np.concatenate([spots([(12, 5)], 15, sigma=0.2), false_disks(1500)]))
    tracker.update(faint, 10)
    assert len(tracker.snapshot()) == 0
    assert tracker.update(faint, 12)
    assert len(tracker.snapshot()) == 1
    for _ in range(4):
        tracker.update(np.zeros(GEOMETRY.shape), 20)
    assert len(tracker.snapshot()) == 0
    assert tracker.events[-1].kind == "peak_died"


def test_an_unchanged_map_changes_nothing():
    tracker = PeakTracker(GEOMETRY)
    counts = map_of(spots([(12, 5), (-9, 14)], 60))
    tracker.update(counts, 10)
    tracker.update(counts, 10)
    assert not tracker.update(counts, 10)
