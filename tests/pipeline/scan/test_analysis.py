"""The whole analysis on a small raster of grains, from disks in detector pixels to class maps."""

from __future__ import annotations

from dataclasses import fields

import h5py
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from livebragg.config.analysis import AnalysisConfig, ClassifyConfig, MapConfig
from livebragg.errors import FrameError
from livebragg.model import BraggPeaks, DetectedBatch, ForcedIntensities, ProbeShape
from livebragg.pipeline.scan.analysis import ScanAnalysis

SCAN = (24, 30)
FRAME = (96, 112)
PROBE = ProbeShape(radius=3.0, edge_width=0.5, center=(48.0, 55.0))


def truth():
    """Vacuum on the left, one grain above, two below."""
    r, c = np.mgrid[: SCAN[0], : SCAN[1]]
    return np.where(c < 6, 0, np.where(r < 12, 1, np.where(c < 18, 2, 3)))


def scene(seed=0):
    """Disks of every position, frame by frame."""
    rng = np.random.default_rng(seed)
    label = truth().ravel()
    radius, angle = 36 * np.sqrt(rng.uniform(0.1, 1, (4, 20))), rng.uniform(0, 2 * np.pi, (4, 20))
    places = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    rows = np.arange(label.size) // SCAN[1]
    origin = np.array(PROBE.center) + np.stack([0.06 * rows, 0.001 * rows**2], axis=1)
    frames = []
    for i, grain in enumerate(label):
        found = rng.random(20) < 0.85 if grain else np.zeros(20, bool)
        disks = places[grain][found] + rng.normal(0, 0.2, (found.sum(), 2)) + origin[i]
        wrong = rng.uniform(0, 96, (rng.poisson(0.5), 2))
        intensity = np.concatenate([[5000], rng.poisson(120, found.sum()), np.full(len(wrong), 30)])
        frames.append((np.concatenate([origin[i][None], disks, wrong]), intensity))
    return frames, origin.astype(np.float32)


def batch_of(positions, frames, origin):
    q = np.concatenate([frames[i][0] for i in positions]).astype(np.float32)
    intensity = np.concatenate([frames[i][1] for i in positions]).astype(np.float32)
    n = len(positions)
    peaks = BraggPeaks(
        qx=q[:, 0].copy(), qy=q[:, 1].copy(), intensity=intensity, intensity_error=np.sqrt(intensity),
        position_error=np.full(len(q), 0.2, np.float32),
        offsets=np.concatenate([[0], np.cumsum([len(frames[i][0]) for i in positions])]).astype(np.int64),
    )  # fmt: skip
    return DetectedBatch(
        scan_index=np.asarray(positions, np.int64),
        peaks=peaks,
        direct_beam=np.column_stack([origin[positions], np.full(n, 0.02)]).astype(np.float32),
        virtual=np.tile(np.arange(5, dtype=np.float32), (n, 1)),
        sum_pattern=np.full(FRAME, n, np.float32),
    )


def analysed(order=None, size=30, open_ended=False, scan=SCAN, finish=True, config=None):
    frames, origin = scene()
    analysis = ScanAnalysis(scan, FRAME, PROBE, config or AnalysisConfig(), open_ended)
    order = np.arange(len(frames)) if order is None else order
    for first in range(0, order.size, size):
        analysis.add(batch_of(order[first : first + size], frames, origin))
        analysis.refresh()
    if finish:
        analysis.finish()
    return analysis


def test_the_class_map_is_the_specimen():
    snapshot = analysed().snapshot()
    assert adjusted_rand_score(truth().ravel(), snapshot.labels.ravel()) > 0.98
    assert sorted(snapshot.class_families) == ["crystal"] * 3 + ["no_bragg"]
    assert snapshot.finished
    assert snapshot.class_positions.sum() == truth().size
    assert snapshot.weights.shape == (4, *SCAN)
    assert snapshot.class_patterns.shape == (4, len(snapshot.peaks))
    assert snapshot.sum_pattern[0, 0] == truth().size
    assert (snapshot.virtual_images["com_qx"] == 3).all()
    kinds = {event.kind for event in snapshot.events}
    assert {"peak_born", "class_born", "component_born"} <= kinds


def test_the_map_is_right_while_it_grows():
    frames, origin = scene()
    analysis = ScanAnalysis(SCAN, FRAME, PROBE, AnalysisConfig())
    for row in range(SCAN[0]):
        analysis.add(batch_of(np.arange(row * 30, row * 30 + 30), frames, origin))
        analysis.refresh()
        if row in (6, 16):
            snapshot = analysis.snapshot()
            assert adjusted_rand_score(truth()[: row + 1].ravel(), snapshot.labels[: row + 1].ravel()) > 0.95
            assert (snapshot.labels[row + 1 :] == -1).all()
            assert np.isnan(snapshot.n_disks[row + 1 :]).all()
            assert not snapshot.seen[row + 1 :].any()


def test_positions_may_come_in_any_order():
    order = np.random.default_rng(4).permutation(truth().size)
    snapshot = analysed(order).snapshot()
    assert adjusted_rand_score(truth().ravel(), snapshot.labels.ravel()) > 0.98


def test_positions_that_come_twice_change_nothing():
    frames, origin = scene()
    analysis = analysed(finish=False)
    before = analysis.snapshot()
    assert analysis.add(batch_of(np.arange(40), frames, origin)) == 0
    analysis.refresh()
    after = analysis.snapshot()
    assert after.duplicates == 40
    np.testing.assert_array_equal(before.bragg_vector_map, after.bragg_vector_map)
    np.testing.assert_array_equal(before.sum_pattern, after.sum_pattern)


def test_a_scan_of_unknown_length_grows():
    snapshot = analysed(open_ended=True, scan=(1, SCAN[1])).snapshot()
    assert snapshot.scan_shape == SCAN
    assert adjusted_rand_score(truth().ravel(), snapshot.labels.ravel()) > 0.98


def test_a_position_outside_the_scan_is_refused():
    frames, origin = scene()
    with pytest.raises(FrameError, match="do not fit"):
        ScanAnalysis((2, 30), FRAME, PROBE, AnalysisConfig()).add(batch_of(np.arange(70, 90), frames, origin))


def test_the_maps_of_the_classes_add_up_to_the_map_of_the_scan():
    snapshot = analysed().snapshot()
    np.testing.assert_allclose(snapshot.class_vector_maps.sum(0), snapshot.bragg_vector_map, atol=1e-3)
    assert snapshot.bragg_vector_map.argmax() == np.ravel_multi_index(
        snapshot.map_geometry.origin_bin, snapshot.map_geometry.shape
    )


def test_the_map_can_show_intensities():
    config = AnalysisConfig(map=MapConfig(weight="intensity"))
    snapshot = analysed(config=config).snapshot()
    assert snapshot.bragg_vector_map.sum() > 5000 * truth().size


def test_a_snapshot_stays_as_it_was():
    frames, origin = scene()
    analysis = ScanAnalysis(SCAN, FRAME, PROBE, AnalysisConfig())
    analysis.add(batch_of(np.arange(120), frames, origin))
    analysis.refresh()
    snapshot = analysis.snapshot()
    kept = {f.name: np.copy(getattr(snapshot, f.name)) for f in fields(snapshot) if f.name not in _NOT_ARRAYS}
    analysis.add(batch_of(np.arange(120, 300), frames, origin))
    analysis.refresh()
    for name, value in kept.items():
        np.testing.assert_array_equal(getattr(snapshot, name), value)


_NOT_ARRAYS = {"virtual_images", "map_geometry", "peaks", "events", "class_families"}


def test_an_empty_scan_has_an_empty_snapshot():
    analysis = ScanAnalysis(SCAN, FRAME, PROBE, AnalysisConfig())
    analysis.refresh()
    analysis.finish()
    snapshot = analysis.snapshot()
    assert (snapshot.labels == -1).all()
    assert snapshot.class_ids.size == 0 and snapshot.weights.shape == (0, *SCAN)


def test_empty_frames_are_no_bragg():
    analysis = ScanAnalysis((4, 30), FRAME, PROBE, AnalysisConfig())
    n = 120
    none = DetectedBatch(
        scan_index=np.arange(n), peaks=BraggPeaks.empty(n), direct_beam=np.full((n, 3), np.nan, np.float32),
        virtual=np.zeros((n, 5), np.float32), sum_pattern=np.zeros(FRAME, np.float32),
    )  # fmt: skip
    analysis.add(none)
    analysis.refresh()
    analysis.finish()
    assert analysis.snapshot().class_families == ("no_bragg",)
    assert (analysis.snapshot().labels == 0).all()


@pytest.mark.timeout(240)
def test_simulated_gold_from_frames_is_classified_line_by_line(shared_data):
    from livebragg.detect import FrameAnalyzer, measure_probe

    with h5py.File(shared_data("sim/au_dose20000_seed1.h5")) as file:
        data, label, origin = file["data"][:], file["truth/label"][:], file["truth/origin"][:]
    rows, cols, *frame = data.shape
    probe = measure_probe(data.reshape(-1, *frame)[:256])
    analyzer, analysis = FrameAnalyzer(probe, tuple(frame)), ScanAnalysis((rows, cols), tuple(frame), probe)
    for row in range(rows):
        analysis.add(analyzer.analyze(data[row], np.arange(row * cols, (row + 1) * cols)))
        analysis.refresh()
        if row + 1 in (rows // 4, rows // 2, 3 * rows // 4):
            labels = analysis.snapshot().labels[: row + 1]
            assert adjusted_rand_score(label[: row + 1].ravel(), labels.ravel()) > 0.94
    analysis.finish()
    snapshot = analysis.snapshot()
    assert adjusted_rand_score(label.ravel(), snapshot.labels.ravel()) > 0.97
    assert len(snapshot.class_ids) == 8
    assert np.sqrt(np.mean((snapshot.origin - origin) ** 2)) < 0.035


class Light:
    """A photometer for `scene`: true light and counting noise; positions below `gone` have no frame."""

    def __init__(self, per_disk, gone=0):
        self.per_disk, self.gone, self.asked = per_disk, gone, 0
        rng = np.random.default_rng(0)
        radius, angle = 36 * np.sqrt(rng.uniform(0.1, 1, (4, 20))), rng.uniform(0, 2 * np.pi, (4, 20))
        self.places = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)

    def measure(self, scan_index, places, origins, wanted):
        self.asked += scan_index.size
        index = scan_index[scan_index >= self.gone]
        grain = truth().ravel()[index]
        near = np.hypot(*(places[:, None, None] - self.places).transpose(3, 0, 1, 2)).min(axis=2) < 1.5
        expected = np.where((grain[:, None] > 0) & near.T[grain], self.per_disk, 0)
        rng = np.random.default_rng(int(index[0]) if index.size else 0)
        light = (rng.poisson(expected + 2.0) - 2.0).astype(np.float32)
        error = np.sqrt(expected + 2.0).astype(np.float32)
        yield index, ForcedIntensities(intensity=light, error=error, usable=np.ones_like(light))


def faint_scene(seed=1):
    """The scene at a dose where a position shows five disks of its twenty."""
    frames, origin = scene()
    rng = np.random.default_rng(seed)
    for i, (q, intensity) in enumerate(frames):
        keep = np.concatenate([[True], rng.random(len(q) - 1) < 0.25])
        frames[i] = q[keep], intensity[keep] * np.where(np.arange(keep.sum()) > 0, 0.06, 1)
    return frames, origin


def analysed_faint(photometer):
    frames, origin = faint_scene()
    analysis = ScanAnalysis(SCAN, FRAME, PROBE, AnalysisConfig(), photometer=photometer)
    for row in range(SCAN[0]):
        analysis.add(batch_of(np.arange(row * 30, row * 30 + 30), frames, origin))
        analysis.refresh()
    analysis.finish()
    return analysis


def score(analysis):
    return adjusted_rand_score(truth().ravel(), analysis.snapshot().labels.ravel())


def test_light_classifies_where_hardly_a_disk_is_found():
    without = score(analysed_faint(None))
    measured = analysed_faint(Light(per_disk=7))
    assert score(measured) > max(0.9, without + 0.05)
    peak = int(measured.snapshot().peaks.peak_id[0])
    field = measured.dark_field(peak)
    assert field.shape == SCAN and np.isfinite(field).all()
    assert field[truth() == 0].mean() < 0.5 < field.max()


def test_the_end_measures_every_position_there_is_a_frame_of():
    light = Light(per_disk=7, gone=100)
    analysis = analysed_faint(light)
    field = analysis.dark_field(int(analysis.snapshot().peaks.peak_id[0])).ravel()
    assert np.isnan(field[:100]).all() and np.isfinite(field[100:]).all()
    asked = light.asked
    analysis.finish()
    assert light.asked == asked


def test_photometry_can_be_switched_off():
    light = Light(per_disk=7)
    config = AnalysisConfig(classify=ClassifyConfig(forced_photometry=False))
    frames, origin = scene()
    analysis = ScanAnalysis(SCAN, FRAME, PROBE, config, photometer=light)
    analysis.add(batch_of(np.arange(len(frames)), frames, origin))
    analysis.finish()
    assert light.asked == 0 and np.isnan(analysis.order).all()
