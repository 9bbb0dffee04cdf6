"""Frames of the synthetic specimen: the same whoever asks, and right in mean and variance."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from livebragg.errors import ConfigError
from livebragg_simulators.specimen import PRESETS, Specimen, SpecimenConfig

SMALL = SpecimenConfig(
    scan_shape=(10, 14),
    frame_shape=(80, 64),
    probe_radius=3.0,
    q_pixel_size_inv_angstrom=0.03,
    electrons_per_frame=2000.0,
    n_grains=3,
)


@pytest.fixture(scope="module")
def small() -> Specimen:
    return Specimen(SMALL)


def repeated(seed_of: range, *, exact: bool, position: int) -> NDArray[np.float64]:
    """Many noisy frames of one position of the same specimen."""
    specimen = Specimen(SMALL)
    frames = []
    for seed in seed_of:
        rng = np.random.default_rng(seed)
        if exact:
            frames.append(rng.poisson(specimen.expected(position, position + 1)))
        else:
            drawn = np.empty((16, *SMALL.frame_shape), np.uint16)
            specimen._electrons.draw(np.full(16, position), rng, drawn)
            frames.append(drawn)
    return np.concatenate(frames).astype(np.float64)


def test_two_specimens_of_one_configuration_give_the_same_frames(small: Specimen) -> None:
    np.testing.assert_array_equal(small.frames(0, 140), Specimen(SMALL).frames(0, 140))


def test_another_seed_gives_other_frames_and_another_layout(small: Specimen) -> None:
    other = Specimen(SpecimenConfig.preset("demo", seed=2, scan_shape=(10, 14)))
    assert not np.array_equal(other.layout.origin, small.layout.origin)


@pytest.mark.parametrize("exact", [False, True])
def test_frames_do_not_depend_on_the_order_or_the_size_of_requests(small: Specimen, exact: bool) -> None:
    fresh = Specimen(SMALL)
    whole = small.frames(0, 140, exact=exact)
    for start, stop in [(139, 140), (33, 34), (0, 1), (30, 70), (5, 6), (16, 32), (7, 7)]:
        np.testing.assert_array_equal(fresh.frames(start, stop, exact=exact), whole[start:stop])


def test_prepared_frames_equal_streamed_frames_and_cannot_be_changed(small: Specimen) -> None:
    prepared, calls = Specimen(SMALL), []
    prepared.prepare(lambda done, total: calls.append((done, total)))
    frames = prepared.frames(20, 60)
    np.testing.assert_array_equal(frames, small.frames(20, 60))
    assert calls[-1] == (140, 140)
    assert not frames.flags.writeable


def test_prepared_fast_frames_are_not_handed_out_as_exact_ones(small: Specimen) -> None:
    prepared = Specimen(SMALL)
    prepared.prepare()
    np.testing.assert_array_equal(prepared.frames(0, 3, exact=True), small.frames(0, 3, exact=True))


def test_a_scan_too_large_for_memory_is_refused_with_the_sizes(small: Specimen) -> None:
    with pytest.raises(ConfigError, match=r"1 MB, more than the 0 MB allowed"):
        small.prepare(max_bytes=1000)


@pytest.mark.parametrize(("start", "stop"), [(-1, 4), (0, 141), (5, 3)])
def test_a_range_outside_the_scan_is_refused(small: Specimen, start: int, stop: int) -> None:
    with pytest.raises(ConfigError, match="140 positions"):
        small.frames(start, stop)


def test_frames_have_the_announced_shape_and_type(small: Specimen) -> None:
    acquisition = small.acquisition("scan 7")
    assert acquisition.acquisition_id == "scan 7"
    assert acquisition.scan_shape == (10, 14)
    frames = small.frames(0, 3)
    assert frames.shape == (3, *acquisition.frame_shape)
    assert frames.dtype == np.dtype(acquisition.dtype)
    assert acquisition.metadata.convergence_angle_mrad == pytest.approx(2.26, abs=0.01)


def test_the_scan_has_the_dose_asked_for(small: Specimen) -> None:
    total = small.frames(0, 140).sum(axis=(1, 2), dtype=np.int64)
    lost = 1 - small.expected(0, 140).sum() / (2000 * small.layout.flux.sum())
    assert 0 < lost < 0.1
    assert total.mean() == pytest.approx(2000 * (1 - lost) * small.layout.flux.mean(), rel=4 / np.sqrt(140 * 2000))


@pytest.mark.parametrize("family", ["crystal", "amorphous", "polycrystal", "vacuum"])
def test_fast_frames_have_the_mean_and_variance_of_poisson_noise(small: Specimen, family: str) -> None:
    numbers = [c.number for c in small.layout.components if c.family == family]
    position = int(np.flatnonzero(np.isin(small.layout.label.ravel(), numbers))[0])
    frames = repeated(range(60), exact=False, position=position)
    expected = small.expected(position, position + 1)[0].astype(np.float64)
    deviation = (frames.mean(axis=0) - expected) / np.sqrt(expected / len(frames) + 1e-9)
    seen = expected > 5 / len(frames)
    assert abs(deviation[seen].mean()) < 5 / np.sqrt(seen.sum())
    assert deviation[seen].std() == pytest.approx(1, abs=0.15)
    bright = expected > 0.5
    assert (frames.var(axis=0) / expected)[bright].mean() == pytest.approx(1, abs=0.06)


def test_fast_frames_are_not_shifted_by_the_fixed_point_places(small: Specimen) -> None:
    vacuum = small.layout.components[-1].number
    position = int(np.flatnonzero(small.layout.weights[vacuum].ravel() == 1)[0])
    frames = repeated(range(60), exact=False, position=position).mean(axis=0)
    expected = small.expected(position, position + 1)[0]
    rows, cols = np.indices(frames.shape)
    near = np.hypot(rows - 41, cols - 31) < 8
    for index in (rows, cols):
        shift = np.average(index[near], weights=frames[near]) - np.average(index[near], weights=expected[near])
        assert abs(shift) < 0.003


def test_fast_frames_have_uncorrelated_pixels_and_poisson_totals(small: Specimen) -> None:
    frames = repeated(range(40), exact=False, position=20)
    row, col = np.rint(small.layout.origin.reshape(-1, 2)[20]).astype(int)
    one, other = frames[:, row, col - 1], frames[:, row, col + 1]
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(frames))
    total = frames.sum(axis=(1, 2))
    assert total.var() / total.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / len(frames)))


def test_hot_pixels_shine_and_dead_pixels_do_not() -> None:
    specimen = Specimen(
        SpecimenConfig.preset("low_dose", scan_shape=(4, 5), frame_shape=(96, 72), probe_radius=3.0)
    )
    frames = specimen.frames(0, 20)
    assert len(specimen.hot_pixels) == 5
    assert len(specimen.dead_pixels) == 8
    assert frames[:, specimen.hot_pixels[:, 0], specimen.hot_pixels[:, 1]].min() > 100
    assert frames[:, specimen.dead_pixels[:, 0], specimen.dead_pixels[:, 1]].max() == 0


def test_counts_beyond_the_pixel_type_are_clipped_not_wrapped() -> None:
    config = SpecimenConfig(scan_shape=(1, 2), frame_shape=(64, 64), probe_radius=2.0, electrons_per_frame=1e5)
    narrow = Specimen(config).frames(0, 2)
    clipped = Specimen(SpecimenConfig(**{**_values(config), "dtype": "uint8"})).frames(0, 2)
    np.testing.assert_array_equal(clipped, np.minimum(narrow, 255))
    assert clipped.max() == 255


@pytest.mark.parametrize(
    "changes",
    [
        {"scan_shape": (1, 1)},
        {"scan_shape": (1, 40), "n_grains": 30},
        {"scan_shape": (37, 2), "frame_shape": (48, 130)},
        {"n_grains": 0},
        {"n_grains": 1, "amorphous": False, "polycrystal": False, "vacuum": False},
        {"q_pixel_size_inv_angstrom": 1e-4},
        {"q_pixel_size_inv_angstrom": 0.2},
        {"descan_drift": 50.0},
        {"probe_radius": 0.5, "edge_width": 0.0},
        {"center_offset": (30.0, -24.0)},
        {"electrons_per_frame": 1.0},
        {"tilt_mrad": 50.0, "thickness_nm": 100.0, "diffuse_background": 0.6},
        {"order_disorder": True, "three_amorphous": True, "ellipse_ratio": 1.5},
    ],
)
def test_extreme_but_valid_specimens_give_frames_with_their_expected_counts(
    changes: dict[str, object],
) -> None:
    config = SpecimenConfig(**{"scan_shape": (6, 5), "frame_shape": (64, 48), "probe_radius": 3.0, **changes})
    specimen = Specimen(config)
    n = config.n_positions
    expected = specimen.expected(0, n)
    assert expected.min() >= 0
    for exact in (False, True):
        total = specimen.frames(0, n, exact=exact).sum(dtype=np.int64)
        assert abs(total - expected.sum()) < 6 * np.sqrt(expected.sum()) + 1


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_frames(name: str) -> None:
    specimen = Specimen(SpecimenConfig.preset(name))
    assert specimen.frames(100, 120).any(axis=(1, 2)).all()
    assert (specimen.scatterer.scatter(np.arange(0, specimen.config.n_positions, 7))[1] > 0.1).all()


def _values(config: SpecimenConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in SpecimenConfig.__dataclass_fields__}
