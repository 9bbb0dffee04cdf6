"""Ready-made specimens: what each changes from the defaults of `SpecimenConfig`."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {"electrons_per_frame": 8000.0},
    "gold": {
        "grain_kinds": ("au-001", "au-011", "au-112", "au-111"),
        "n_grains": 7,
        "polycrystal": False,
        "vacuum": False,
        "electrons_per_frame": 20_000.0,
    },
    "order_disorder": {
        "order_disorder": True,
        "n_grains": 4,
        "polycrystal": False,
        "vacuum": False,
        "probe_radius": 4.0,
        "electrons_per_frame": 20_000.0,
    },
    "three_amorphous": {
        "three_amorphous": True,
        "n_grains": 2,
        "polycrystal": False,
        "grain_kinds": ("au-111", "w-111"),
        "probe_radius": 3.0,
        "electrons_per_frame": 20_000.0,
    },
    "low_dose": {"electrons_per_frame": 1500.0, "dead_pixels": 8, "hot_pixels": 5},
    "many_grains": {
        "n_grains": 60,
        "polycrystal": False,
        "scan_shape": (128, 128),
        "minimum_rotation_deg": 9.0,
        "electrons_per_frame": 8000.0,
    },
}
"""Presets of `SpecimenConfig.preset`.

- ``demo``: six grains of two metals and an oxide, an amorphous rim, a polycrystalline corner, vacuum.
- ``gold``: seven gold grains along four zone axes, and amorphous carbon; no vacuum.
- ``order_disorder``: four grains of Cu3Au that lose their order from left to right, and an amorphous rim.
- ``three_amorphous``: three amorphous phases, two crystals and vacuum, small disks.
- ``low_dose``: the demo with 1500 electrons per frame, hot and dead pixels.
- ``many_grains``: sixty grains of ten kinds on a scan of 128 by 128 positions.
"""
