"""The truth that is written agrees with the frames that are sent."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from livebragg.errors import RecordingError
from livebragg_simulators.specimen import Specimen, SpecimenConfig

CONFIG = SpecimenConfig(
    scan_shape=(12, 9),
    frame_shape=(112, 96),
    probe_radius=4.0,
    q_pixel_size_inv_angstrom=0.025,
    electrons_per_frame=20_000.0,
    n_grains=4,
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("specimen") / "scan.h5"
    Specimen(CONFIG).write_recording(path)
    return path


def test_a_recording_holds_exact_frames_and_the_truth_beside_them(recording: Path, tmp_path: Path) -> None:
    specimen = Specimen(CONFIG)
    specimen.write_truth(tmp_path / "truth.h5")
    with h5py.File(recording) as file, h5py.File(tmp_path / "truth.h5") as alone:
        np.testing.assert_array_equal(file["data"][:].reshape(-1, 112, 96), specimen.frames(0, 108, exact=True))
        assert "data" not in alone
        assert set(alone["truth"]) == set(file["truth"])
        assert dict(alone.attrs)["config"] == file.attrs["config"]
        assert json.loads(file.attrs["config"])["seed"] == 1


def test_the_truth_has_the_layout_of_the_simulated_sets(recording: Path) -> None:
    with h5py.File(recording) as file:
        truth = file["truth"]
        components = json.loads(file.attrs["components"])
        assert [c["id"] for c in components] == list(range(len(components)))
        assert truth["label"].shape == (12, 9)
        assert truth["label"].dtype == np.int16
        assert truth["weights"].shape == (len(components), 12, 9)
        np.testing.assert_allclose(truth["weights"][:].sum(axis=0), 1, rtol=1e-5)
        np.testing.assert_array_equal(truth["weights"][:].argmax(axis=0), truth["label"][:])
        assert truth["origin"].shape == (12, 9, 2)
        assert truth["strain"].shape == (12, 9, 2, 2)
        assert truth["disks/frame_offsets"].shape == (109,)
        assert truth["disks/frame_offsets"][-1] == len(truth["disks/y"])
        assert file.attrs["dose"] == 20_000
        assert file.attrs["disk_radius_px"] == 4


def test_disks_hold_the_electrons_the_truth_says(recording: Path) -> None:
    """Counts in a disk minus those in the ring around it, over all disks that stand alone."""
    with h5py.File(recording) as file:
        frames = file["data"][:].reshape(-1, 112, 96).astype(np.float64)
        disks = {name: file[f"truth/disks/{name}"][:] for name in ("frame_offsets", "y", "x", "intensity")}
        flux = file["truth/flux"][:].ravel()
    rows, cols = np.indices((112, 96))
    measured, expected = 0.0, 0.0
    for number, frame in enumerate(frames):
        mine = slice(*disks["frame_offsets"][number : number + 2])
        place = np.stack([disks["y"][mine], disks["x"][mine]], axis=1)
        for (y, x), intensity in zip(place, disks["intensity"][mine], strict=True):
            far = np.linalg.norm(place - (y, x), axis=1)
            alone = np.count_nonzero(far < 15) == 1 and 12 < y < 100 and 12 < x < 84
            if not alone or intensity < 0.004:
                continue
            radius = np.hypot(rows - y, cols - x)
            disk, ring = radius < 6.2, (radius > 6.8) & (radius < 9)
            measured += frame[disk].sum() - frame[ring].mean() * disk.sum()
            expected += 20_000 * flux[number] * intensity
    assert expected > 1e5
    assert measured == pytest.approx(expected, rel=0.02)


def test_the_direct_beam_is_centred_on_the_true_origin(recording: Path) -> None:
    with h5py.File(recording) as file:
        frames = file["data"][:].reshape(-1, 112, 96).astype(np.float64)
        origin = file["truth/origin"][:].reshape(-1, 2)
        offsets = file["truth/disks/frame_offsets"][:-1]
        first = np.stack([file["truth/disks/y"][:][offsets], file["truth/disks/x"][:][offsets]], axis=1)
        direct = file["truth/disks/intensity"][:][offsets]
        np.testing.assert_allclose(file["truth/direct_beam"][:].ravel(), direct)
    np.testing.assert_allclose(first, origin, atol=1e-4)
    rows, cols = np.indices((112, 96))
    errors = []
    for frame, (y, x) in zip(frames, origin, strict=True):
        inside = np.where(np.hypot(rows - y, cols - x) < 6, frame, 0)
        errors.append(((rows - y) * inside).sum() / inside.sum())
        errors.append(((cols - x) * inside).sum() / inside.sum())
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) < 0.06


def test_the_drift_is_as_large_as_asked_and_steps_from_line_to_line() -> None:
    specimen = Specimen(
        SpecimenConfig(scan_shape=(200, 100), frame_shape=(64, 64), probe_radius=2.0, row_jitter=0.3)
    )
    origin = specimen.layout.origin
    assert origin.mean(axis=(0, 1)) == pytest.approx(specimen.config.mean_origin, abs=0.1)
    line = origin[:, 50] - origin.mean(axis=(0, 1))
    assert np.diff(line, axis=0).std() == pytest.approx(0.3 * np.sqrt(2), rel=0.15)
    ends = line[-20:].mean(axis=0) - line[:20].mean(axis=0)
    assert np.linalg.norm(ends) == pytest.approx(2.5 * 0.9, abs=0.3)


def test_reflections_lie_on_the_strained_and_distorted_lattice(recording: Path) -> None:
    """From positions alone: undo the ellipse and the strain, and the lattice constant comes out."""
    with h5py.File(recording) as file:
        disks = {name: file[f"truth/disks/{name}"][:] for name in ("y", "x", "h", "k", "l", "comp")}
        frame = np.repeat(np.arange(108), np.diff(file["truth/disks/frame_offsets"][:]))
        origin = file["truth/origin"][:].reshape(-1, 2)[frame]
        label = file["truth/label"][:].ravel()[frame]
        strain = file["truth/strain"][:].reshape(-1, 2, 2)[frame]
        ellipse = file.attrs["ellipse_matrix"]
    hkl = np.stack([disks["h"], disks["k"], disks["l"]], axis=1)
    gold = (disks["comp"] == 0) & (label == 0) & hkl.any(axis=1)
    assert gold.sum() > 50
    offset = (np.stack([disks["y"], disks["x"]], axis=1) - origin)[gold]
    ideal = offset @ np.linalg.inv(ellipse).T
    unstrained = np.einsum("nij,nj->ni", np.eye(2) + strain[gold], ideal) * 0.025
    spacing = np.linalg.norm(unstrained, axis=1) / np.linalg.norm(hkl[gold], axis=1)
    np.testing.assert_allclose(1 / spacing, 4.078, rtol=2e-4)


def test_superlattice_reflections_fade_while_the_fundamental_ones_stay() -> None:
    config = SpecimenConfig.preset(
        "order_disorder", scan_shape=(4, 40), n_grains=1, amorphous=False, tilt_mrad=0.0
    )
    config = SpecimenConfig(
        **{
            **{n: getattr(config, n) for n in config.__dataclass_fields__},
            "bend_mrad": 0.0,
            "thickness_variation": 0.0,
            "boundary_blur": 0.0,
        }
    )
    disks, _, _ = Specimen(config).scatterer.scatter(np.arange(40))
    parity = disks.hkl % 2
    fundamental = (parity == parity[:, :1]).all(axis=1)
    kept = np.bincount(disks.position[fundamental], disks.intensity[fundamental], 40)
    fading = np.bincount(disks.position[~fundamental], disks.intensity[~fundamental], 40)
    np.testing.assert_allclose(kept, kept[0], rtol=0.02)
    assert fading[0] > 0.05 * kept[0]
    assert np.corrcoef(fading, np.arange(40))[0, 1] < -0.9
    assert fading[-1] < 1e-3 * fading[0]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no-such-folder"):
        Specimen(CONFIG).write_truth(tmp_path / "no-such-folder" / "truth.h5")
