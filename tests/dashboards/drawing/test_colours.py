"""Classes keep their colours, and one can tell them apart, also with a colour vision deficiency."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from livebragg_dashboards.drawing.colours import (
    CRYSTAL,
    FIRST_CLASS,
    LEVELS,
    SLOTS,
    class_palette,
    picture_palette,
    rgb,
    slot_of,
)

# Machado, Oliveira and Fernandes (2009), severity 1, linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def oklab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """OKLab (Ottosson 2020) of linear RGB."""
    to_lms = np.array(
        [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]
    )  # fmt: skip
    to_lab = np.array(
        [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]]
    )  # fmt: skip
    return np.cbrt(np.clip(linear @ to_lms.T, 0, None)) @ to_lab.T


def closest(colours: tuple[str, ...], vision: str) -> float:
    """Distance of the two most similar colours."""
    srgb = np.array([rgb(c) for c in colours])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    lab = oklab(np.clip(linear @ VISIONS[vision].T, 0, 1))
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    return float(distances[~np.eye(len(lab), dtype=bool)].min())


@pytest.mark.parametrize("vision", VISIONS)
def test_all_24_crystal_colours_can_be_told_apart(vision: str) -> None:
    assert len(set(CRYSTAL)) == 24
    assert closest(CRYSTAL, vision) > 0.055


@pytest.mark.parametrize("vision", VISIONS)
def test_the_first_six_are_far_apart(vision: str) -> None:
    assert closest(CRYSTAL[:6], vision) > 0.075


def test_a_class_has_one_colour_for_ever_and_ids_of_any_size_have_one() -> None:
    assert slot_of(3, "crystal") == slot_of(3, "crystal") == slot_of(27, "crystal")
    for family in ("crystal", "amorphous", "polycrystal", "vacuum", "<b>"):
        assert all(0 <= slot_of(i, family) < len(SLOTS) for i in (-7, 0, 10**30))


def test_families_never_share_a_colour() -> None:
    families = ("crystal", "amorphous", "polycrystal", "vacuum")
    slots = [{slot_of(i, family) for i in range(100)} for family in families]
    assert sum(map(len, slots)) == len(set.union(*slots)) == len(SLOTS)


def test_confidence_is_opacity_in_the_class_palette() -> None:
    palette = class_palette("#000000", "#222222")
    assert len(palette) == 256
    assert palette[FIRST_CLASS + LEVELS - 1] == SLOTS[0]
    brightness = [rgb(c).sum() for c in palette[FIRST_CLASS : FIRST_CLASS + LEVELS]]
    assert brightness == sorted(brightness)


def test_picture_palettes_begin_with_the_colour_of_no_value() -> None:
    for name in ("gray", "inferno", "magma", "viridis", "cividis"):
        palette = picture_palette(name, "#123456")
        assert (len(palette), palette[0]) == (256, "#123456")
