"""Hostile and helpful configurations of the specimen."""

from __future__ import annotations

import math

import pytest

from livebragg.errors import ConfigError
from livebragg_simulators.specimen import SpecimenConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "seed = -1"),
        ({"seed": 1.5}, "seed = 1.5"),
        ({"scan_shape": (0, 4)}, "scan_shape"),
        ({"scan_shape": (4, 4, 4)}, "scan_shape"),
        ({"scan_shape": (4.0, 4)}, "scan_shape"),
        ({"scan_shape": [4, 4]}, "scan_shape"),
        ({"scan_shape": "4x4"}, "scan_shape"),
        ({"frame_shape": (8, 8)}, "frame_shape"),
        ({"frame_shape": (100_000, 128)}, "frame_shape"),
        ({"dtype": "float32"}, "choose one of uint8, uint16, uint32"),
        ({"electrons_per_frame": 0.0}, "electrons_per_frame"),
        ({"electrons_per_frame": math.nan}, "electrons_per_frame"),
        ({"electrons_per_frame": math.inf}, "electrons_per_frame"),
        ({"electrons_per_frame": "many"}, "electrons_per_frame"),
        ({"n_grains": -1}, "n_grains"),
        ({"n_grains": True}, "n_grains"),
        ({"n_grains": 0, "amorphous": False, "polycrystal": False, "vacuum": False}, "nothing to scan"),
        ({"grain_kinds": ()}, "grain_kinds"),
        ({"grain_kinds": ("au-001", "unobtainium")}, "au-001"),
        ({"grain_kinds": "au-001"}, "grain_kinds"),
        ({"amorphous": 1}, "amorphous"),
        ({"probe_radius": 40.0}, "too large"),
        ({"probe_radius": 0.0}, "probe_radius"),
        ({"ellipse_ratio": 0.9}, "ellipse_ratio"),
        ({"center_offset": (1.0, math.nan)}, "center_offset"),
        ({"center_offset": 3.0}, "center_offset"),
        ({"center_offset": (500.0, 0.0)}, "center_offset"),
        ({"hot_pixels": 20_000}, "half of the frame"),
        ({"speckle": 1.1}, "choose 0 to 1"),
    ],
)
def test_an_impossible_value_is_refused_and_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpecimenConfig(**changes)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'order_disorder'"):
        SpecimenConfig.preset("order-disorder")


def test_an_unknown_setting_of_a_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'scan_shape'"):
        SpecimenConfig.preset("demo", scanshape=(3, 3))


def test_whole_numbers_are_accepted_where_fractions_may_stand() -> None:
    assert SpecimenConfig(probe_radius=4).probe_radius == 4


def test_the_wavelength_at_200_kev_is_the_relativistic_one() -> None:
    assert SpecimenConfig().wavelength_angstrom == pytest.approx(0.02508, abs=2e-5)
