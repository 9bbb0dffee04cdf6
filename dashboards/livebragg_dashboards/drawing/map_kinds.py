"""Names, units and colour maps of the real-space images; ones that are not listed are shown all the same."""

from __future__ import annotations

from dataclasses import dataclass

from livebragg_dashboards.words import clean


@dataclass(frozen=True, slots=True)
class ImageKind:
    """How an image of the feed is presented."""

    title: str
    unit: str
    palette: str


_KINDS = {
    "bright_field": ImageKind("Bright field", "counts", "gray"),
    "annular_dark_field": ImageKind("Annular dark field", "counts", "gray"),
    "total": ImageKind("Total intensity", "counts", "gray"),
    "com_qx": ImageKind("Centre of mass, rows", "px", "cividis"),
    "com_qy": ImageKind("Centre of mass, columns", "px", "cividis"),
    "n_disks": ImageKind("Disk count", "disks", "viridis"),
    "bragg_intensity": ImageKind("Bragg intensity", "counts", "inferno"),
    "own": ImageKind("Own detector", "counts", "inferno"),
    "origin_qx": ImageKind("Direct beam, rows", "px", "cividis"),
    "origin_qy": ImageKind("Direct beam, columns", "px", "cividis"),
}


def kind_of(name: str) -> ImageKind:
    """Presentation of an image by its name in the feed."""
    return _KINDS.get(name) or ImageKind(clean(name.replace("_", " ").capitalize(), 40) or "Image", "", "viridis")
