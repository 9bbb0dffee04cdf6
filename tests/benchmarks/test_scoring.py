"""Scores of found disks against true ones, and the reader of scans with truth."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from scenes import make_scene
from scoring import bounds_of, curve, score
from truth import read_scan


@pytest.fixture(scope="module")
def scenes():
    """Three scenes of ten disks."""
    return [make_scene(s, frame_shape=(96, 96), radius=4.0, n_disks=10) for s in range(3)]


def test_the_truth_scores_full_marks_and_its_noise_is_the_rms(scenes):
    rng = np.random.default_rng(0)
    found = [s.positions + rng.normal(0, 0.1, s.positions.shape) for s in scenes]
    result = score(scenes, found, 4.0, bounds_of(scenes, 4.0, 0.5))
    assert (result.recall, result.precision, result.f1) == (1.0, 1.0, pytest.approx(1.0))
    assert result.rms == pytest.approx(0.1, rel=0.3)


def test_a_second_disk_at_the_same_place_is_false(scenes):
    doubled = [np.concatenate([s.positions, s.positions + 0.5]) for s in scenes]
    result = score(scenes, doubled, 4.0, bounds_of(scenes, 4.0, 0.5))
    assert (result.recall, result.precision) == (1.0, 0.5)


def test_a_threshold_is_chosen_between_true_and_false_disks(scenes):
    far = np.array([[1.0, 1.0], [94.0, 94.0]])
    found = [np.concatenate([s.positions, far]) for s in scenes]
    strength = [np.concatenate([np.linspace(5.0, 9.0, len(s.positions)), [1.0, 2.0]]) for s in scenes]
    swept = curve(scenes, found, strength, 4.0)
    threshold, f1 = swept.best_threshold()
    assert (threshold, f1) == (pytest.approx(3.5), pytest.approx(1.0))
    assert swept.recall_at(0.98) == 1.0


def test_truth_is_read_in_electrons_with_the_brightest_disk_first(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update(dose=1000.0, disk_radius_px=3.0)
        file["data"] = np.arange(4 * 2)[:, None, None].reshape(4, 2, 1, 1) * np.ones((8, 8), np.uint16)
        file["truth/origin"] = np.full((4, 2, 2), 3.5)
        file["truth/flux"] = np.full((4, 2), 0.5)
        offsets = np.arange(9) * 2
        file["truth/disks/frame_offsets"] = offsets
        file["truth/disks/y"], file["truth/disks/x"] = np.tile([1.0, 5.0], 8), np.tile([2.0, 6.0], 8)
        file["truth/disks/intensity"] = np.tile([0.1, 0.4], 8)
    scan = read_scan(path, 2)
    assert scan.frames[:, 0, 0].tolist() == [2, 3, 6, 7]
    assert scan.truth[0].positions.tolist() == [[5.0, 6.0], [1.0, 2.0]]
    assert scan.truth[0].electrons.tolist() == pytest.approx([200.0, 50.0])
    assert np.isnan(scan.truth[0].beam_electrons)
    assert scan.odd_pixels == {}
