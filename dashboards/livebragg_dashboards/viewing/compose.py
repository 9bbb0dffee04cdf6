"""What one session sees at one moment: the pictures of all panels, made anew only when something changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.wire.messages import (
    ClassMaps,
    ClassPatterns,
    ClassProfiles,
    FrameReply,
    LatestFrame,
    PipelineStatus,
    VectorMap,
    VirtualImageSet,
)
from livebragg_dashboards.asking.frames import FrameAnswer
from livebragg_dashboards.drawing.orientation import Axes, q_axes
from livebragg_dashboards.drawing.pictures import (
    Picture,
    Places,
    class_picture,
    counts_picture,
    part_image,
    part_picture,
    pattern_pictures,
    seen_positions,
    vector_picture,
    virtual_picture,
)
from livebragg_dashboards.drawing.plate import NO_CURVES, NO_TILES, Curves, Tiles, curves, on_plate, tiles
from livebragg_dashboards.explore.views import OWN, OwnImage
from livebragg_dashboards.feed.shared import Shared
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.feed.units import probe_radius, q_pixel_size
from livebragg_dashboards.viewing import points
from livebragg_dashboards.viewing.points import Points
from livebragg_dashboards.viewing.viewer import Viewer

PART = "class:"
"""Before the id of a class: the name of the image of its parts."""

SELDOM_S = 1.0
"""Between two drawings of what changes slowly."""

PICTURES = ("classes", "virtual", "vectors", "frame")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that is drawn as pixels or points; texts are made from it elsewhere."""

    pictures: dict[str, Picture]
    """By panel; panels without data are left out."""
    tiles: Tiles
    """Class patterns."""
    curves: Curves
    """Radial profiles of classes."""
    disks: Points
    """``x``, ``y`` in the frame's axes and ``radius`` in their unit; ``qx``, ``qy`` in detector pixels and
    ``intensity`` in counts."""
    peaks: Points
    """``x``, ``y`` in the Bragg vector map's axes."""
    marks: Points
    """``x``, ``y`` of the selected position and of the beam (``live`` is 1), on the real-space images."""
    ring: Points
    """``x``, ``y`` of the ring that is chosen, on the Bragg vector map."""
    shown: FrameReply | LatestFrame | None
    """Where the frame comes from."""
    image_name: str
    """Virtual image on view; `OWN` for the image of the viewer's own detector."""
    own: OwnImage | None = None

    @property
    def axes(self) -> dict[str, Axes]:
        """Axes of the panels that have a picture."""
        return {name: picture.axes for name, picture in self.pictures.items()}


class Composer:
    """Makes scenes, and keeps each picture until its message or the viewer's choice changes.

    Parameters
    ----------
    shared : Shared, optional
        Where pictures are kept for all who look at the same pipeline; by default they are this viewer's alone.
    """

    def __init__(self, shared: Shared | None = None) -> None:
        self._keep = (shared or Shared()).keep

    def scene(
        self,
        snapshot: Snapshot,
        viewer: Viewer,
        answer: FrameAnswer | None,
        now: float,
        radius: float | None = None,
        own: OwnImage | None = None,
    ) -> Scene:
        """Scene of now.

        Parameters
        ----------
        snapshot : Snapshot
        viewer : Viewer
        answer : FrameAnswer or None
            Answer to the viewer's selection.
        now : float
            By the clock of the snapshot's slots.
        radius : float, optional
            Radius, in detector pixels, of the ring that is chosen for the calibration.
        own : OwnImage, optional
            Shown in the place of the chosen virtual image.
        """
        pictures = {
            "classes": self._classes(snapshot),
            "virtual": self._virtual(snapshot, viewer) if own is None else own.picture,
            "vectors": self._vectors(snapshot, viewer, now),
        }
        shown = _shown_frame(snapshot, viewer, answer)
        if shown is not None:
            pictures["frame"] = self._frame(shown, snapshot.status, viewer.scales["frame"])
        present = {name: picture for name, picture in pictures.items() if picture is not None}
        images = snapshot.get(VirtualImageSet)
        return Scene(
            pictures=present,
            tiles=self._tiles(snapshot, now),
            curves=self._curves(snapshot, now),
            disks=points.disks(shown, present, snapshot.status),
            peaks=points.peaks(snapshot.get(VectorMap), present),
            marks=points.marks(snapshot, viewer.selected, present),
            ring=points.chosen_ring(snapshot, radius, present),
            shown=shown,
            image_name=_image_name(images, snapshot.get(ClassMaps), viewer) if own is None else OWN,
            own=own,
        )

    def _classes(self, snapshot: Snapshot) -> Picture | None:
        maps, images = snapshot.get(ClassMaps), snapshot.get(VirtualImageSet)
        if maps is None:
            return None
        key = (snapshot.epoch, maps.revision, images and images.revision)
        made: Picture = self._keep(
            "classes", key, lambda: class_picture(maps, seen_positions(images, maps.labels.shape))
        )
        return made

    def _virtual(self, snapshot: Snapshot, viewer: Viewer) -> Picture | None:
        images, maps = snapshot.get(VirtualImageSet), snapshot.get(ClassMaps)
        if images is None:
            return None
        name = _image_name(images, maps, viewer)
        class_id = class_of(maps, name)
        key = (snapshot.epoch, images.revision, name, maps and maps.revision)
        if maps is not None and class_id is not None:
            shown: Picture = self._keep("part", key, lambda: part_picture(part_image(maps, class_id, images)))
            return shown
        made: Picture = self._keep(
            "virtual", key, lambda: virtual_picture(images.images[images.names.index(name)])
        )
        return made

    def _vectors(self, snapshot: Snapshot, viewer: Viewer, now: float) -> Picture | None:
        message, scale = snapshot.get(VectorMap), viewer.scales["vectors"]
        if message is None:
            return None
        size = q_pixel_size(snapshot.status)
        origin = (message.origin_row, message.origin_col)
        axes = q_axes(message.map.shape, origin, size, message.bins_per_pixel)
        made: Picture = self._seldom(
            snapshot, VectorMap, now, (scale, size, axes), lambda: vector_picture(message, axes, scale)
        )
        return made

    def _frame(self, shown: FrameReply | LatestFrame, status: PipelineStatus | None, scale: str) -> Picture:
        axes = q_axes(shown.frame.shape, _origin_of(shown, status), q_pixel_size(status))
        key = (id(shown), scale, axes)
        # The message is kept with its picture, so that its id is not given to another one meanwhile.
        made: tuple[Any, Picture] = self._keep(
            "frame", key, lambda: (shown, counts_picture(shown.frame, axes, scale))
        )
        return made[1]

    def _tiles(self, snapshot: Snapshot, now: float) -> Tiles:
        patterns, maps = snapshot.get(ClassPatterns), snapshot.get(ClassMaps)
        if patterns is None or maps is None:
            return NO_TILES
        key = (patterns.class_ids, _classes_on_plate(maps))
        vacuum = [i for i, kind in zip(maps.class_ids, maps.class_families, strict=True) if kind == "vacuum"]
        made: Tiles = self._seldom(
            snapshot, ClassPatterns, now, key, lambda: tiles(maps, pattern_pictures(patterns, vacuum))
        )
        return made

    def _curves(self, snapshot: Snapshot, now: float) -> Curves:
        profiles, maps, status = snapshot.get(ClassProfiles), snapshot.get(ClassMaps), snapshot.status
        if profiles is None or maps is None:
            return NO_CURVES
        size, radius = q_pixel_size(status), probe_radius(status, unknown=0.0)
        key = (size, radius, _classes_on_plate(maps))
        made: Curves = self._seldom(
            snapshot, ClassProfiles, now, key, lambda: curves(maps, profiles, size, radius)
        )
        return made

    def _seldom(
        self, snapshot: Snapshot, kind: type[Any], now: float, choice: tuple[Any, ...], make: Callable[[], Any]
    ) -> Any:
        """Of what changes slowly and is much work for the browser: one a second while messages follow each other.

        The last one is drawn all the same, when none has followed it for that long.
        """
        slot = snapshot.slots[kind]
        key = (snapshot.epoch, slot.message.revision, slot.message.published_at, *choice)

        def newest() -> Any:
            return self._keep(kind.__name__, key, make)

        if now - slot.received_at >= SELDOM_S:
            return newest()
        second = (snapshot.epoch, int(slot.received_at / SELDOM_S), *choice)
        return self._keep(f"{kind.__name__} of the second", second, newest)


def part_on_view(snapshot: Snapshot, name: str, at: Places = ...) -> NDArray[np.float32] | None:
    """Part of each position, or of one, that is the class `name` stands for; ``None`` for other images."""
    maps = snapshot.get(ClassMaps)
    class_id = class_of(maps, name)
    if maps is None or class_id is None:
        return None
    return part_image(maps, class_id, snapshot.get(VirtualImageSet), at)


def class_of(maps: ClassMaps | None, name: str) -> int | None:
    """Id of the class whose map an image's name stands for."""
    ids = {f"{PART}{number}": number for number in maps.class_ids} if maps is not None else {}
    return ids.get(name)


def _classes_on_plate(maps: ClassMaps) -> list[tuple[int, str]]:
    """Ids and families of the classes that are shown."""
    return [(maps.class_ids[i], maps.class_families[i]) for i in on_plate(maps)]


def _image_name(images: VirtualImageSet | None, maps: ClassMaps | None, viewer: Viewer) -> str:
    if images is None or class_of(maps, viewer.image) is not None:
        return viewer.image
    return viewer.image if viewer.image in images.names else images.names[0]


def _shown_frame(
    snapshot: Snapshot, viewer: Viewer, answer: FrameAnswer | None
) -> FrameReply | LatestFrame | None:
    if viewer.selected is None:
        return snapshot.get(LatestFrame)
    return answer.reply if answer is not None else None


def _origin_of(shown: FrameReply | LatestFrame, status: PipelineStatus | None) -> tuple[float, float]:
    """Row and column of the direct beam: measured, else the probe's, else the middle."""
    if isinstance(shown, FrameReply) and np.all(np.isfinite(shown.origin)):
        return float(shown.origin[0]), float(shown.origin[1])
    if status is not None and status.probe is not None and np.all(np.isfinite(status.probe.center)):
        return status.probe.center
    rows, cols = shown.frame.shape
    return (rows - 1) / 2, (cols - 1) / 2
