"""Colours of classes and of pictures.

A class keeps its colour for as long as it exists: it follows from its id and family alone. Crystalline classes
have 24 colours, chosen one after the other as far as possible from all before (OKLab distance, the smallest of
normal vision, deuteranopia and protanopia as simulated by Machado, Oliveira and Fernandes 2009), beginning with
those of Okabe and Ito; so few classes are very distinct, and many still are. Amorphous phases are muted greys of
different hues, polycrystals sands, and vacuum is a dark blue, so that the crystals stand out.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from bokeh.palettes import cividis, gray, inferno, magma, viridis
from numpy.typing import NDArray

CRYSTAL = (
    "#56b4e9", "#e69f00", "#cc79a7", "#009e73", "#f0e442", "#d55e00", "#6808f8", "#a018a0",
    "#b81030", "#a0f8f8", "#8080f8", "#905070", "#b058c0", "#a0f0a0", "#00e0f8", "#78b880",
    "#7840c8", "#78d870", "#f880d0", "#6860f8", "#f86848", "#f83868", "#507898", "#d82848",
)  # fmt: skip
AMORPHOUS = ("#7d858f", "#c3c9d0", "#8fa58c", "#b39aa3", "#5f7891", "#a9a0c4", "#5d646d")
VACUUM = ("#1d3a60",)
POLYCRYSTAL = ("#cbb894", "#a59373", "#e2d6bd", "#877655")
SLOTS = (*CRYSTAL, *AMORPHOUS, *POLYCRYSTAL, *VACUUM)

LEVELS = 7
"""Steps of confidence that can be told apart on the map."""
NOT_SEEN = 0
NOT_CLASSIFIED = 1
FIRST_CLASS = 2
"""Indices of the class picture: not seen, not classified, then ``LEVELS`` for each slot."""

_FAINTEST = 0.40
"""Opacity of a class at no confidence at all."""
_RISE = 0.6
"""Exponent of opacity over confidence: overlapping patterns rarely reach high ones, and must still be seen."""

_MAPS = {"gray": gray, "inferno": inferno, "magma": magma, "viridis": viridis, "cividis": cividis}


def slot_of(class_id: int, family: str) -> int:
    """Place of a class in `SLOTS`."""
    if family in ("amorphous", "no_bragg"):
        return len(CRYSTAL) + class_id % len(AMORPHOUS)
    if family == "polycrystal":
        return len(CRYSTAL) + len(AMORPHOUS) + class_id % len(POLYCRYSTAL)
    if family == "vacuum":
        return len(SLOTS) - 1
    return class_id % len(CRYSTAL)


def rgb(colour: str) -> NDArray[np.float64]:
    """Red, green and blue of ``#rrggbb``, 0 to 1."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def blend(colour: str, background: str, opacity: float) -> str:
    """Colour of something half transparent."""
    mixed = np.rint(255 * (opacity * rgb(colour) + (1 - opacity) * rgb(background))).astype(int)
    return "#" + "".join(f"{v:02x}" for v in mixed)


@cache
def class_palette(hole: str, unclassified: str) -> tuple[str, ...]:
    """256 colours for the class picture; confidence is opacity over `hole`."""
    opacities = _FAINTEST + (1 - _FAINTEST) * np.linspace(0.0, 1.0, LEVELS) ** _RISE
    colours = [hole, unclassified] + [blend(c, hole, float(a)) for c in SLOTS for a in opacities]
    return tuple(colours + [hole] * (256 - len(colours)))


@cache
def picture_palette(name: str, hole: str) -> tuple[str, ...]:
    """256 colours for a scaled picture: `hole` where there is no value, then a perceptually uniform map."""
    return (hole, *_MAPS[name](255))
