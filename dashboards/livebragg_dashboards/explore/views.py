"""What a page shows of what its viewer explores: pictures and texts, made anew only when an answer is new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.wire.messages import (
    ClassMaps,
    FrameReply,
    PipelineStatus,
    PositionReply,
    VectorMap,
)
from livebragg_dashboards.asking.frames import FrameAnswer
from livebragg_dashboards.asking.inquiries import Answer
from livebragg_dashboards.drawing.pictures import Picture, virtual_picture
from livebragg_dashboards.explore.boxes import Box
from livebragg_dashboards.explore.composition import NO_BARS, Bars, bars, composition
from livebragg_dashboards.explore.detector import SLOT, PeakLight, Ring
from livebragg_dashboards.explore.explorer import POSITION, Explorer
from livebragg_dashboards.explore.tiles import tile_of
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.feed.units import probe_radius
from livebragg_dashboards.words import TIMES, clean, count

OWN = "own"
"""Stands for the viewer's own detector in the list of virtual images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnImage:
    """The image of the viewer's own detector."""

    title: str
    note: str
    """What is wrong, or that it was asked for; empty when `image` is its image."""
    image: NDArray[np.float32] | None
    picture: Picture | None
    pending: bool = False
    """Whether `picture` is still that of the detector before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything beside the usual scene."""

    own: OwnImage | None
    tiles: dict[str, NDArray[np.uint8]]
    """Picture of each box that has one, by its number; of one row: a curve, 0 to 255."""
    bars: Bars
    texts: dict[str, Any]


class ExploreComposer:
    """Makes views, and keeps each picture until its answer changes."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, Any]] = {}

    def view(
        self,
        snapshot: Snapshot,
        explorer: Explorer,
        answers: Mapping[str, Answer],
        q_pixel_size: float | None,
        scales: Mapping[str, str],
        selected: int | None,
    ) -> View:
        """View of now.

        Parameters
        ----------
        snapshot : Snapshot
        explorer : Explorer
        answers : mapping
            By slot.
        q_pixel_size : float or None
            1/Angstrom per detector pixel.
        scales : mapping
            Scale of counts of the panels.
        selected : int, optional
            Scan index of the position that was clicked.
        """
        tiles: dict[str, NDArray[np.uint8]] = {}
        cards = []
        for box in explorer.boxes.all:
            answer = _about(answers.get(box.slot), (snapshot.serial, box))
            tile = self._tile(box, answer, snapshot.status, scales["vectors"])
            if tile is not None:
                tiles[str(box.number)] = tile
            cards.append(_card(box, answer))
        found, position = self._position(snapshot, answers, selected)
        own = self._own(snapshot, explorer, answers, q_pixel_size)
        return View(
            own=own,
            tiles=tiles,
            bars=found,
            texts={
                "boxes": cards,
                "note": explorer.note,
                "detector": _detector(explorer, own, snapshot.status, q_pixel_size),
                "position": position,
            },
        )

    def _keep(self, name: str, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        kept = self._kept.get(name)
        if kept is None or not all(map(_same, kept[0], key)):
            kept = self._kept[name] = (key, make())
        return kept[1]

    def without_picture(
        self, answer: FrameAnswer | None, answers: Mapping[str, Answer], snapshot: Snapshot
    ) -> FrameAnswer | None:
        """An answer whose frame is gone, with the disks that are known all the same, on an empty picture."""
        status = snapshot.status
        if answer is None or answer.reply is not None or status is None or status.acquisition is None:
            return answer
        known, shape = answers.get(POSITION), status.acquisition.frame_shape
        known = _about(known, (snapshot.serial, answer.scan_index))
        if known is None or known.reply is None:
            return answer
        made: FrameAnswer = self._keep(
            "empty", (answer, known, shape), lambda: _without_picture(answer, known.reply, shape)
        )
        return made

    def _tile(
        self, box: Box, answer: Answer | None, status: PipelineStatus | None, scale: str
    ) -> NDArray[np.uint8] | None:
        if answer is None or answer.reply is None:
            return None
        radius = probe_radius(status, unknown=0.0)
        made: NDArray[np.uint8] = self._keep(
            box.slot, (answer, scale, radius), lambda: tile_of(answer.reply, scale, radius)
        )
        return made

    def _own(
        self, snapshot: Snapshot, explorer: Explorer, answers: Mapping[str, Answer], size: float | None
    ) -> OwnImage | None:
        if explorer.detector is None:
            return None
        title, answer = explorer.detector.title(size), answers.get(SLOT)
        pending = _about(answer, explorer.detector.question(snapshot.serial).key) is None
        image = None if answer is None or answer.reply is None else answer.reply.image
        picture: Picture | None = None
        if image is not None:
            picture = self._keep(SLOT, (answer,), lambda: virtual_picture(image))
        if pending:
            return OwnImage(title=title, note="measuring …", image=None, picture=picture, pending=True)
        note = "" if answer is None else clean(answer.reason, 160)
        return OwnImage(title=title, note=note, image=image, picture=picture)

    def _position(
        self, snapshot: Snapshot, answers: Mapping[str, Answer], selected: int | None
    ) -> tuple[Bars, dict[str, Any]]:
        if selected is None:
            return NO_BARS, {"mode": "none"}
        answer = _about(answers.get(POSITION), (snapshot.serial, selected))
        if answer is None:
            return NO_BARS, {"mode": "pending", "note": "asking the pipeline …", "classes": [], "families": ""}
        if answer.reply is None:
            note = clean(answer.reason, 160)
            return NO_BARS, {"mode": "refused", "note": note, "classes": [], "families": ""}
        vectors, maps = snapshot.get(VectorMap), snapshot.get(ClassMaps)
        made: Bars = self._keep(POSITION, (answer, vectors), lambda: bars(answer.reply, vectors))
        words = f"{made.value.size} tracked peak{'s' if made.value.size != 1 else ''}"
        return made, {"mode": "known", "note": words, **composition(answer.reply, maps)}


def _without_picture(answer: FrameAnswer, known: PositionReply, shape: tuple[int, int]) -> FrameAnswer:
    reply = FrameReply(
        serial=known.serial,
        scan_index=known.scan_index,
        label=known.label,
        frame=np.full(shape, np.nan, np.float32),
        qx=known.qx,
        qy=known.qy,
        intensity=known.intensity,
        origin=known.origin,
        drawn=True,
    )
    return FrameAnswer(answer.scan_index, reply, answer.reason)


def _same(a: object, b: object) -> bool:
    """Whether two parts of a key are the same; messages are compared by identity."""
    return a is b or (isinstance(a, str | float | int | tuple) and a == b)


def _about(answer: Answer | None, key: object) -> Answer | None:
    """The answer if it is about this; one about something else is none."""
    return answer if answer is not None and answer.question.key == key else None


def _card(box: Box, answer: Answer | None) -> dict[str, Any]:
    rows, cols = box.shape
    note = "asking …" if answer is None else clean(answer.reason, 120)
    if answer is not None and answer.reply is not None:
        seen = max(0, answer.reply.n_positions)
        note = f"{count(seen)} of {count(rows * cols)}" if seen < rows * cols else ""
    return {
        "number": box.number,
        "colour": box.colour,
        "size": f"{rows} {TIMES} {cols}",
        "note": note,
        "refused": answer is not None and answer.reply is None,
        "mode": box.mode,
        "place": [box.top, box.left, box.bottom, box.right],
    }


def _detector(
    explorer: Explorer, own: OwnImage | None, status: PipelineStatus | None, size: float | None
) -> dict[str, Any] | None:
    """The detector in the coordinates of diffraction pictures."""
    detector, unit = explorer.detector, size or 1.0
    if detector is None or own is None:
        return None
    words = {"title": own.title, "note": own.note, "pending": own.pending}
    if isinstance(detector, Ring):
        return words | {"kind": "ring", "inner": detector.inner * unit, "outer": detector.outer * unit}
    if isinstance(detector, PeakLight):
        radius = 1.6 * probe_radius(status)
        return words | {"kind": "peak", "x": detector.qy * unit, "y": detector.qx * unit, "radius": radius * unit}
    place = {"x": detector.qy * unit, "y": detector.qx * unit, "radius": detector.radius * unit}
    return words | {"kind": "aperture", **place}
