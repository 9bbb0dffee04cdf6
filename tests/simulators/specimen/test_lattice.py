"""Crystals and layouts: textbook reflections, regions that exist, rotations that differ."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg_simulators.specimen import Specimen, SpecimenConfig
from livebragg_simulators.specimen.lattice import CRYSTALS, GRAIN_KINDS, rings, zone_pattern
from livebragg_simulators.specimen.layout import make_layout


def strong(kind: str) -> set[tuple[int, ...]]:
    pattern = zone_pattern(GRAIN_KINDS[kind], 1.0)
    bright = pattern.strength > 1e-6 * pattern.strength.max()
    return {tuple(map(int, hkl)) for hkl in pattern.hkl[bright]}


def test_a_face_centred_crystal_shows_unmixed_indices_only() -> None:
    shown = strong("au-001")
    assert {(2, 0, 0), (0, 2, 0), (2, 2, 0)} <= shown
    assert all(h % 2 == k % 2 == l_ % 2 for h, k, l_ in shown)


def test_a_body_centred_crystal_shows_even_sums_only() -> None:
    assert {(1, 1, 0), (2, 0, 0)} <= strong("w-001")
    assert all(sum(hkl) % 2 == 0 for hkl in strong("w-011"))


def test_a_hexagonal_crystal_has_six_nearest_reflections_and_forbids_odd_000l() -> None:
    pattern = zone_pattern(GRAIN_KINDS["ti-0001"], 1.0)
    length = np.linalg.norm(pattern.g, axis=1)
    np.testing.assert_allclose(length[:6], 1 / (2.951 * np.sqrt(0.75)))
    assert length[6] > 1.5 * length[0]
    assert (0, 0, 1) not in strong("ti-1000")
    assert (0, 0, 2) in strong("ti-1000")


def test_order_adds_superlattice_reflections_and_leaves_the_others_alone() -> None:
    ordered = zone_pattern(GRAIN_KINDS["cu3au-001"], 1.0)
    mixed = zone_pattern(GRAIN_KINDS["cu3au-001"], 1.0, disordered=True)
    np.testing.assert_array_equal(ordered.hkl, mixed.hkl)
    fundamental = (ordered.hkl % 2 == ordered.hkl[:, :1] % 2).all(axis=1)
    np.testing.assert_allclose(ordered.strength[fundamental], mixed.strength[fundamental])
    assert mixed.strength[~fundamental].max() < 1e-12
    assert ordered.strength[~fundamental].max() > 0.01


@pytest.mark.parametrize("kind", GRAIN_KINDS)
def test_every_kind_repeats_after_its_period_and_not_before(kind: str) -> None:
    pattern = zone_pattern(GRAIN_KINDS[kind], 0.9)
    spots = (pattern.g * np.sqrt(pattern.strength)[:, None])[pattern.strength > 1e-6]

    def same_after(degrees: float) -> bool:
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turned = spots @ np.array([[c, s], [-s, c]])
        return bool(np.linalg.norm(turned[:, None] - spots[None], axis=2).min(axis=1).max() < 1e-6)

    period = GRAIN_KINDS[kind].period_deg
    assert same_after(period)
    assert not any(same_after(period / part) for part in (2, 3))


def test_gold_rings_lie_where_they_should() -> None:
    radius, share, hkl = rings(CRYSTALS["au"], 0.9)
    np.testing.assert_allclose(radius[:4] * 4.078, np.sqrt([3, 4, 8, 11]), rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(hkl, axis=1) / 4.078, radius, atol=1e-4)
    assert share.argmax() == 0
    assert share.sum() == pytest.approx(1)


def test_grains_of_one_kind_differ_by_the_rotation_asked_for() -> None:
    config = SpecimenConfig(n_grains=10, grain_kinds=("au-001", "au-011"), minimum_rotation_deg=12.0)
    for kind in config.grain_kinds:
        mine = [c.rotation_deg for c in make_layout(config).components if c.kind == kind]
        turn = np.sort(np.array(mine) % GRAIN_KINDS[kind].period_deg)
        gaps = np.diff(np.append(turn, turn[0] + GRAIN_KINDS[kind].period_deg))
        assert gaps.min() >= 12.0


@pytest.mark.parametrize("seed", range(5))
def test_all_regions_of_the_demo_are_there_and_pure_inside(seed: int) -> None:
    layout = make_layout(SpecimenConfig.preset("demo", seed=seed))
    share = np.bincount(layout.label.ravel(), minlength=len(layout.components)) / layout.label.size
    assert share.min() > 0.03
    assert np.median(layout.weights.max(axis=0)) > 0.999
    assert layout.weights.max(axis=0).min() < 0.7


def test_a_tilted_grain_has_unequal_friedel_pairs_and_an_upright_one_has_not() -> None:
    def asymmetry(tilt_mrad: float) -> float:
        config = SpecimenConfig(
            scan_shape=(3, 3), n_grains=1, amorphous=False, polycrystal=False, vacuum=False,
            tilt_mrad=tilt_mrad, bend_mrad=0.0,
        )  # fmt: skip
        disks, _, _ = Specimen(config).scatterer.scatter(np.array([4]))
        intensity = {tuple(map(int, h)): i for h, i in zip(disks.hkl, disks.intensity, strict=True)}
        one, other = intensity[(2, 0, 0)], intensity[(-2, 0, 0)]
        third, fourth = intensity[(0, 2, 0)], intensity[(0, -2, 0)]
        return abs(np.log(one / other)) + abs(np.log(third / fourth))

    assert asymmetry(0.0) < 1e-9
    assert asymmetry(8.0) > 0.3
