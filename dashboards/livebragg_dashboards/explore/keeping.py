"""What a viewer explores as a short text, which the page keeps in its address: there again after a reload."""

from __future__ import annotations

from livebragg.model import Acquisition
from livebragg_dashboards.explore.boxes import MODES, Box
from livebragg_dashboards.explore.detector import Aperture, Detector, PeakLight, Ring, aperture, ring
from livebragg_dashboards.explore.explorer import Explorer
from livebragg_dashboards.feed.checks import Shape
from livebragg_dashboards.words import clean

BETWEEN, NEXT = "_", ","


def kept(explorer: Explorer, acquisition: Acquisition | None, serial: int) -> dict[str, str]:
    """Boxes and detector as texts, and which scan they belong to; empty where there is none.

    Examples
    --------
    >>> explorer = Explorer()
    >>> explorer.detector = Ring(4.0, 10.5)
    >>> kept(explorer, None, 1)
    {'scan': '', 'boxes': '', 'detector': 'ring_4_10.5'}
    """
    return {
        "scan": "" if acquisition is None else f"{clean(acquisition.acquisition_id, 80)} {serial}",
        "boxes": NEXT.join(
            _joined(b.number, b.top, b.left, b.bottom, b.right, b.mode) for b in explorer.boxes.all
        ),
        "detector": _detector_text(explorer.detector),
    }


def restore(explorer: Explorer, boxes: str, detector: str, shape: Shape) -> None:
    """Bring boxes and a detector back, as far as they lie on a scan of this shape.

    Raises
    ------
    ValueError
        The texts were not made by `kept`; what made sense is there.
    """
    for text in filter(None, boxes.split(NEXT)):
        *numbers, mode = text.split(BETWEEN)
        number, top, left, bottom, right = map(int, numbers)
        if mode not in MODES:
            raise ValueError(f"{mode!r} is nothing that a box shows")
        explorer.boxes.put(Box(number, top, left, bottom, right, mode), shape)
    if detector:
        explorer.detector = _detector(detector)


def _joined(*parts: object) -> str:
    return BETWEEN.join(f"{part:.6g}" if isinstance(part, float) else str(part) for part in parts)


def _detector_text(detector: Detector | None) -> str:
    if isinstance(detector, Ring):
        return _joined("ring", detector.inner, detector.outer)
    if isinstance(detector, Aperture):
        return _joined("aperture", detector.qx, detector.qy, detector.radius)
    return "" if detector is None else _joined("peak", detector.peak_id, detector.qx, detector.qy)


def _detector(text: str) -> Detector:
    kind, *parts = text.split(BETWEEN)
    if kind == "ring":
        inner, outer = map(float, parts)
        return ring(inner, outer)
    if kind == "aperture":
        qx, qy, radius = map(float, parts)
        return aperture(qx, qy, radius)
    if kind != "peak":
        raise ValueError(f"{kind!r} is no detector")
    number, *at = parts
    row, col = map(float, at)
    place = aperture(row, col, 1.0)  # checks it
    return PeakLight(max(int(number), 0), place.qx, place.qy)
