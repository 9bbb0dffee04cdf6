"""Texts of the panels: legend, headers, value scales, and what is under the pointer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.wire.messages import (
    ClassMaps,
    LatestFrame,
    PipelineStatus,
    VectorMap,
    VirtualImageSet,
)
from livebragg_dashboards.asking.frames import FrameAnswer
from livebragg_dashboards.drawing.map_kinds import kind_of
from livebragg_dashboards.drawing.plate import MAX_CLASSES, families
from livebragg_dashboards.drawing.scaling import Range
from livebragg_dashboards.explore.views import OWN, View
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.feed.units import q_pixel_size, scan_step_nm
from livebragg_dashboards.viewing.compose import Scene, class_of, part_on_view
from livebragg_dashboards.viewing.viewer import Hover, Viewer
from livebragg_dashboards.words import clean, count, digits_for, lattice_spacing, number, percent, q_length


def legend(snapshot: Snapshot) -> dict[str, Any]:
    """Families with their classes: colour, name and part of the scanned area."""
    maps = snapshot.get(ClassMaps)
    if maps is None or snapshot.status is None:
        return {"families": [], "more": "", "total": ""}
    present, classified = sum(n > 0 for n in maps.class_counts), sum(max(0, n) for n in maps.class_counts)
    positions = max(snapshot.status.positions_seen, classified)
    without = percent((positions - classified) / positions) if positions > classified else ""
    total = [f"{present} class{'es' if present != 1 else ''}", *([f"{without} not classified"] if without else [])]
    return {
        "families": families(maps, positions),
        "more": f"and {present - MAX_CLASSES} smaller ones" if present > MAX_CLASSES else "",
        "total": " · ".join(total),
    }


def headers(snapshot: Snapshot, scene: Scene, viewer: Viewer, answer: FrameAnswer | None) -> dict[str, Any]:
    """What stands above and below each picture."""
    images, limits = snapshot.get(VirtualImageSet), None
    if "virtual" in scene.pictures:
        limits = scene.pictures["virtual"].limits
    maps = snapshot.get(ClassMaps)
    part = class_of(maps, scene.image_name)
    kind = kind_of(scene.image_name)
    size = q_pixel_size(snapshot.status)
    return {
        "virtual": {
            "name": scene.image_name,
            "options": [
                *([[OWN, scene.own.title]] if scene.own else []),
                *([[scene.image_name, f"Part of {_class_name(maps, part)}"]] if part is not None else []),
                *([[name, kind_of(name).title] for name in images.names] if images else []),
            ],
            "note": scene.own.note if scene.own else "",
            **_scale(limits, kind.unit, is_part=part is not None),
            "palette": kind.palette,
        },
        "scales": viewer.scales,
        "q_unit": "1/Å" if size else "px",
        "step_nm": scan_step_nm(snapshot.status),
        "peaks": f"{scene.peaks['x'].size} peaks",
        "frame": _frame_header(snapshot, scene, viewer, answer),
    }


def _scale(limits: Range | None, unit: str, *, is_part: bool) -> dict[str, str]:
    """What the ends of the colour bar stand for."""
    if limits is None:
        return {"low": "", "high": ""}
    if is_part:
        return {"low": percent(limits.low), "high": percent(limits.high)}
    digits = digits_for(limits.low, limits.high)
    return {"low": number(limits.low, digits), "high": f"{number(limits.high, digits)} {unit}"}


def _frame_header(snapshot: Snapshot, scene: Scene, viewer: Viewer, answer: FrameAnswer | None) -> dict[str, str]:
    n = len(scene.disks["x"])
    disks = f"{n} disk{'s' if n != 1 else ''}"
    if viewer.selected is None:
        shown = scene.shown
        if snapshot.status is not None and snapshot.status.phase == "file":
            return {"mode": "live", "title": "Frame", "where": "", "note": "click a position"}
        where = _position(shown, snapshot) if isinstance(shown, LatestFrame) else ""
        return {"mode": "live", "title": "Latest frame", "where": where, "note": disks if shown else ""}
    where = "selected ({}, {})".format(*viewer.selected)
    if answer is None:
        return {"mode": "pending", "title": "Frame", "where": where, "note": "asking the pipeline …"}
    if answer.reply is None:
        return {"mode": "refused", "title": "Frame", "where": where, "note": clean(answer.reason, 140)}
    name = _class_name(snapshot.get(ClassMaps), answer.reply.label)
    if answer.reason:
        note = f"no picture: {clean(answer.reason, 100)} · {disks}"
        return {"mode": "gone", "title": "Disks", "where": where, "note": note}
    title = "Disks, drawn" if answer.reply.drawn else "Frame"
    return {"mode": "selected", "title": title, "where": where, "note": f"{disks} · {name}"}


def _position(shown: LatestFrame, snapshot: Snapshot) -> str:
    maps = snapshot.get(ClassMaps)
    if maps is None or not 0 <= shown.scan_index < maps.labels.size:
        return ""
    return "({}, {})".format(*divmod(shown.scan_index, maps.labels.shape[1]))


def _class_name(maps: ClassMaps | None, label: int) -> str:
    if label < 0 or maps is None or label not in maps.class_ids:
        return "not classified"
    return clean(maps.class_names[maps.class_ids.index(label)], 40)


# ------------------------------------------------------------------------------------------- the pointer
def readout(snapshot: Snapshot, scene: Scene, hover: Hover | None, view: View | None = None) -> dict[str, str]:
    """Values under the pointer, by panel; exact ones, not those of the 8-bit pictures."""
    if hover is not None and hover.panel == "features" and view is not None:
        words = view.bars.words(hover.x, q_pixel_size(snapshot.status))
        return {"features": words} if words else {}
    if hover is None or hover.panel not in scene.pictures:
        return {}
    axes = scene.pictures[hover.panel].axes
    at = axes.position_at(hover.x, hover.y)
    if at is None:
        return {}
    if hover.panel in ("classes", "virtual"):
        text = _real_space(snapshot, scene, at)
        return {"classes": text["classes"], "virtual": text["virtual"]}
    if hover.panel == "vectors":
        message = snapshot.get(VectorMap)
        value = f"{number(float(message.map[at]))} per bin" if message else ""
        pixel = 1.0 / message.bins_per_pixel if message else 1.0
    else:
        value = _counts_and_disk(scene, hover, at)
        pixel = 1.0
    row, col = axes.to_index(hover.x, hover.y)
    dqx, dqy = ((i - o) * pixel for i, o in zip((row, col), axes.origin, strict=True))
    return {hover.panel: f"{_scattering(dqx, dqy, snapshot.status)} · {value}"}


def _counts_and_disk(scene: Scene, hover: Hover, at: tuple[int, int]) -> str:
    """Counts of the pixel, and the disk under the pointer with its place and intensity."""
    if scene.shown is None:
        return ""
    counts = float(scene.shown.frame[at])
    words = f"{number(counts)} counts" if math.isfinite(counts) else "no picture"
    distance = np.hypot(scene.disks["x"] - hover.x, scene.disks["y"] - hover.y)
    if distance.size and distance.min() <= scene.disks["radius"][0]:
        k = int(distance.argmin())
        row, col, light = (float(scene.disks[name][k]) for name in ("qx", "qy", "intensity"))
        words += f" · disk at ({row:.2f}, {col:.2f}), {number(light)} counts"
    return words


def _real_space(snapshot: Snapshot, scene: Scene, at: tuple[int, int]) -> dict[str, str]:
    maps, images = snapshot.get(ClassMaps), snapshot.get(VirtualImageSet)
    place = f"({at[0]}, {at[1]})"
    texts = {"classes": place, "virtual": place}
    if maps is not None and _inside(at, maps.labels):
        label = int(maps.labels[at])
        sure = f", {percent(float(maps.confidence[at]))} sure" if label >= 0 else ""
        texts["classes"] += f" · {_class_name(maps, label)}{sure}{_mixture(maps, at)}"
    part = part_on_view(snapshot, scene.image_name, at)
    if part is not None:
        texts["virtual"] += f" · {percent(float(part))}" if math.isfinite(part) else " · not scanned yet"
        return texts
    shown = _shown_image(images, scene)
    if shown is not None and _inside(at, shown):
        kind = kind_of(scene.image_name)
        value = float(shown[at])
        texts["virtual"] += f" · {number(value, 4)} {kind.unit}" if math.isfinite(value) else " · not scanned yet"
    return texts


def _shown_image(images: VirtualImageSet | None, scene: Scene) -> NDArray[np.float32] | None:
    if scene.own is not None:
        return scene.own.image
    return None if images is None else images.images[images.names.index(scene.image_name)]


def _mixture(maps: ClassMaps, at: tuple[int, int]) -> str:
    """What a position is made of, when it is more than one class."""
    second = int(maps.second[at])
    if second < 0:
        return ""
    mine, other = (percent(float(maps.parts[(k, *at)]) / 255) for k in (0, 1))
    return f" · {mine} of it, {other} {_class_name(maps, second)}"


def _inside(at: tuple[int, int], array: np.ndarray[Any, Any]) -> bool:
    return bool(at[0] < array.shape[0] and at[1] < array.shape[1])


def _scattering(dqx: float, dqy: float, status: PipelineStatus | None) -> str:
    """Length of a scattering vector, its lattice spacing, and its direction from the row axis."""
    q, size = math.hypot(dqx, dqy), q_pixel_size(status)
    spacing = lattice_spacing(q, size)
    angle = f"{math.degrees(math.atan2(dqy, dqx)):.0f}°"
    return f"q {q_length(q, size)}{f' ({spacing})' if spacing else ''}, {angle}"


def frame_reply_matches(answer: FrameAnswer | None, index: int) -> FrameAnswer | None:
    """The answer if it is for this position; an older one is none."""
    return answer if answer is not None and answer.scan_index == index else None


def trend_values(snapshot: Snapshot) -> dict[str, str]:
    """The newest value of each curve."""
    counters = snapshot.status.counters if snapshot.status else {}
    get = counters.get
    return {
        "rate": f"{number(get('rate_analysed_hz'))} /s",
        "lag": f"{number(get('lag_p50_s'), 2)} s",
        "disks": number(get("disks_per_frame")),
        "peaks": f"{count(get('n_peaks'))} · {count(get('n_classes'))}",
        "residual": percent(get("nmf_residual", math.nan)),
    }
