"""From frames to the composite map of a specimen with three amorphous phases, crystals and vacuum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from livebragg.config.analysis import AnalysisConfig, FamiliesConfig
from livebragg.config.detection import ProfileConfig
from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.pipeline.scan.class_patterns import DiskMask, PatternSampler, all_patterns
from livebragg.pipeline.scan.composition import Composition
from livebragg.storage.results import ResultsWriter
from livebragg.storage.results_reader import read_results
from livebragg_simulators.specimen.config import SpecimenConfig
from livebragg_simulators.specimen.regions import Family
from livebragg_simulators.specimen.scene import Specimen

CONFIG = SpecimenConfig.preset("three_amorphous", seed=7, scan_shape=(28, 36), frame_shape=(96, 96), n_grains=1)


class Frames:
    """Frames of a specimen, as a recording would give them."""

    def __init__(self, frames: Any) -> None:
        self.frames = frames

    def frame(self, scan_index: int) -> Any:
        return self.frames[scan_index].astype(np.float32)

    def blocks(self) -> Any:
        yield np.arange(len(self.frames)), self.frames


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    return Specimen(CONFIG)


@pytest.fixture(scope="module")
def frames(specimen: Specimen) -> Any:
    return specimen.frames(0, CONFIG.n_positions)


@pytest.fixture(scope="module")
def batches(frames: Any) -> Any:
    return detected(frames)


def detected(frames: Any, **options: Any) -> tuple[Any, list[Any]]:
    rows, cols = CONFIG.scan_shape
    probe = measure_probe(frames[:64])
    analyzer = FrameAnalyzer(probe, CONFIG.frame_shape, **options)
    lines = np.arange(rows * cols).reshape(rows, cols)
    return probe, [analyzer.analyze(frames[line], line) for line in lines]


def analysed(probe: Any, batches: list[Any], order: Any = None) -> ScanAnalysis:
    analysis = ScanAnalysis(CONFIG.scan_shape, CONFIG.frame_shape, probe)
    for k, number in enumerate(range(len(batches)) if order is None else order):
        analysis.add(batches[number])
        if k % 3 == 2:
            analysis.refresh()
    analysis.finish()
    return analysis


@pytest.fixture(scope="module")
def analysis(batches: Any) -> ScanAnalysis:
    return analysed(*batches)


def test_all_families_are_found_with_nothing_given(specimen: Specimen, analysis: ScanAnalysis) -> None:
    snapshot = analysis.snapshot()
    wanted = sorted(str(c.family) for c in specimen.layout.components)
    assert sorted(f for f, n in zip(snapshot.class_families, snapshot.class_positions, strict=True) if n) == wanted
    assert adjusted_rand_score(specimen.layout.label.ravel(), snapshot.labels.ravel()) > 0.97


def test_shares_add_up_and_follow_the_truth(specimen: Specimen, analysis: ScanAnalysis) -> None:
    snapshot, label = analysis.snapshot(), specimen.layout.label
    np.testing.assert_allclose(snapshot.shares.sum(axis=0), 1.0, atol=1e-4)
    for number, share in zip(snapshot.class_ids, snapshot.shares, strict=True):
        if not (snapshot.labels == number).any():
            continue
        component = np.bincount(label[snapshot.labels == number]).argmax()
        assert np.sqrt(((share - specimen.layout.weights[component]) ** 2).mean()) < 0.15


def test_the_order_of_arrival_does_not_matter_at_the_end(batches: Any, analysis: ScanAnalysis) -> None:
    probe, lines = batches
    other = analysed(probe, lines, np.random.default_rng(0).permutation(len(lines))).snapshot()
    assert adjusted_rand_score(analysis.snapshot().labels.ravel(), other.labels.ravel()) > 0.98


def test_a_class_profile_peaks_where_the_halo_is(specimen: Specimen, analysis: ScanAnalysis) -> None:
    snapshot, label = analysis.snapshot(), specimen.layout.label
    rings = {"carbon": 0.48, "silica": 0.25, "gd-ti-oxide": 0.34}
    names = {c.number: c.phase for c in specimen.layout.components if c.family is Family.AMORPHOUS}
    tested = 0
    for number, profile in zip(snapshot.class_ids, snapshot.class_profiles, strict=True):
        component = int(np.bincount(label[snapshot.labels == number]).argmax())
        if component in names:
            q = snapshot.profile_radii * CONFIG.q_pixel_size_inv_angstrom
            near = (q > 0.2) & (q < 0.6)
            curve = np.nan_to_num(profile[0] * snapshot.profile_radii)
            assert abs(q[near][curve[near].argmax()] - rings[names[component]]) < 0.07
            tested += 1
    assert tested == 3


def test_a_region_has_the_profile_of_its_class(analysis: ScanAnalysis) -> None:
    snapshot = analysis.snapshot()
    k = snapshot.class_families.index("amorphous")
    region = analysis.region_profile(np.flatnonzero(snapshot.labels == snapshot.class_ids[k]))
    np.testing.assert_allclose(region.mean, snapshot.class_profiles[k, 0], rtol=1e-5)
    assert region.n_positions == snapshot.class_positions[k]


def test_polycrystals_are_told_anew_from_all_disks_when_their_limit_changes() -> None:
    config = SpecimenConfig.preset("demo", scan_shape=(10, 12), frame_shape=(96, 96), n_grains=1)
    frames = Specimen(config).frames(0, config.n_positions)
    probe = measure_probe(frames[:64])
    analysis = ScanAnalysis(config.scan_shape, config.frame_shape, probe)
    analysis.add(FrameAnalyzer(probe, config.frame_shape).analyze(frames, np.arange(config.n_positions)))
    analysis.refresh()
    granular = _granular(analysis)
    assert granular
    for limit, expected in ((10_000, 0), (5, granular)):
        analysis.change(AnalysisConfig(families=FamiliesConfig(granular_disks=limit)))
        analysis.refresh()
        assert _granular(analysis) == expected


def _granular(analysis: ScanAnalysis) -> int:
    return int(analysis._classes._scattering.view.granular.sum())


def test_without_profiles_positions_without_peaks_are_one_class(frames: Any) -> None:
    probe, lines = detected(frames, profile=ProfileConfig(bins=0))
    snapshot = analysed(probe, lines).snapshot()
    assert "no_bragg" in snapshot.class_families and "amorphous" not in snapshot.class_families
    assert snapshot.class_profiles.shape[2] == 0
    assert snapshot.shares.max() == 1.0


def test_forgetting_a_scan_gives_the_same_again(batches: Any) -> None:
    probe, lines = batches
    analysis = analysed(probe, lines[:10])
    once = analysis.snapshot()
    analysis.reset()
    for batch in lines[:10]:
        analysis.add(batch)
    analysis.finish()
    assert once.labels.shape == analysis.snapshot().labels.shape
    assert adjusted_rand_score(once.labels[:10].ravel(), analysis.snapshot().labels[:10].ravel()) > 0.98
    assert isinstance(analysis._classes, Composition)


def test_profiles_and_shares_are_in_the_results_file(tmp_path: Path, batches: Any, analysis: ScanAnalysis) -> None:
    _, lines = batches
    path, snapshot = tmp_path / "r.h5", analysis.snapshot()
    writer = ResultsWriter(
        path, _acquisition(), CONFIG.scan_shape, CONFIG.frame_shape, {}, lines[0].profiles.radii
    )
    for batch in lines:
        writer.append(batch)
    writer.flush()
    running = read_results(path).vectors.profiles
    writer.finalize(snapshot)
    results = read_results(path)
    profiles = results.vectors.profiles
    assert results.final is not None and profiles is not None and running is not None
    for stored in (running, profiles):
        np.testing.assert_array_equal(stored.mean, np.concatenate([b.profiles.mean for b in lines]))
        np.testing.assert_array_equal(stored.pixels, np.concatenate([b.profiles.pixels for b in lines]))
    np.testing.assert_array_equal(results.final.snapshot.shares, snapshot.shares)
    np.testing.assert_array_equal(results.final.snapshot.class_profiles, snapshot.class_profiles)


def test_files_from_before_there_were_profiles_can_be_read(tmp_path: Path, analysis: ScanAnalysis) -> None:
    path = tmp_path / "old.h5"
    with ResultsWriter(path, _acquisition(), CONFIG.scan_shape, CONFIG.frame_shape, {}) as writer:
        writer.finalize(analysis.snapshot())
    with h5py.File(path, "r+") as file:
        for name in ("shares", "profiles", "profile_radii"):
            del file[f"livebragg/classes/{name}"]
    final = read_results(path).final
    assert final is not None and final.snapshot.class_profiles.shape[2] == 0
    labels = final.snapshot.class_ids[final.snapshot.shares.argmax(axis=0)]
    np.testing.assert_array_equal(labels, final.snapshot.labels)
    assert read_results(path).vectors.profiles is None


def test_disks_are_left_out_of_patterns_of_classes_without_peaks(frames: Any, batches: Any) -> None:
    probe, lines = batches
    analysis = analysed(probe, lines)
    snapshot = analysis.snapshot()
    mask = DiskMask(peaks_at=analysis.peaks_at, probe=probe, beam_radius=1.5 * probe.radius)
    arguments = (snapshot.labels, snapshot.class_ids)
    plain = all_patterns(Frames(frames), CONFIG.frame_shape, *arguments)
    masked = all_patterns(Frames(frames), CONFIG.frame_shape, *arguments, snapshot.class_families, mask)
    beam = tuple(round(q) for q in probe.center)
    for k, family in enumerate(snapshot.class_families):
        if family == "amorphous":
            assert masked.patterns[k].sum() < plain.patterns[k].sum()
            np.testing.assert_allclose(masked.patterns[(k, *beam)], plain.patterns[(k, *beam)], rtol=1e-3)
        elif family == "crystal":
            np.testing.assert_array_equal(masked.patterns[k], plain.patterns[k])
    sampled = PatternSampler(Frames(frames), CONFIG.frame_shape, mask=mask).update(
        *arguments, 10.0, snapshot.class_families
    )
    assert np.isfinite(sampled.patterns[snapshot.class_positions > 0]).mean() > 0.99


def _acquisition() -> Any:
    from livebragg.model import Acquisition

    return Acquisition(
        acquisition_id="a", scan_shape=CONFIG.scan_shape, frame_shape=CONFIG.frame_shape, dtype="uint16"
    )


@pytest.mark.timeout(240)
def test_simulated_amorphous_phases_from_frames(shared_data: Any) -> None:
    with h5py.File(shared_data("sim/amor_dose20000_seed1.h5")) as file:
        data, label = file["data"][:], file["truth/label"][:]
    rows, cols, *frame = data.shape
    probe = measure_probe(data.reshape(-1, *frame)[:256])
    analyzer, analysis = FrameAnalyzer(probe, tuple(frame)), ScanAnalysis((rows, cols), tuple(frame), probe)
    for row in range(rows):
        analysis.add(analyzer.analyze(data[row], np.arange(row * cols, (row + 1) * cols)))
        if row % 4 == 3:
            analysis.refresh()
    analysis.finish()
    snapshot = analysis.snapshot()
    assert adjusted_rand_score(label.ravel(), snapshot.labels.ravel()) > 0.93
    assert sorted(snapshot.class_families) == ["amorphous", "amorphous", "amorphous", "crystal", "vacuum"]
