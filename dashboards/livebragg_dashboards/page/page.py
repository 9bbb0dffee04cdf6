"""All Bokeh models of one session, and how a scene gets into them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.document import Document
from bokeh.events import MouseLeave, MouseMove, Tap
from bokeh.models import Circle, ColumnDataSource, CrosshairTool, CustomJS, Line, MultiLine, Range1d, Scatter, Text
from bokeh.models.annotations import Span

from livebragg_dashboards.drawing.colours import class_palette, picture_palette
from livebragg_dashboards.drawing.map_kinds import kind_of
from livebragg_dashboards.drawing.pictures import Picture
from livebragg_dashboards.drawing.plate import NO_CURVES, Curves, Tiles
from livebragg_dashboards.feed.trends import KEYS
from livebragg_dashboards.page.explore_page import ExplorePage
from livebragg_dashboards.page.figures import (
    FONT,
    add_glyph,
    add_picture,
    picture_figure,
    profile_figure,
    trend_figure,
)
from livebragg_dashboards.page.link import Link
from livebragg_dashboards.page.outbox import Outbox
from livebragg_dashboards.page.theme import Theme
from livebragg_dashboards.viewing.compose import PICTURES, Scene
from livebragg_dashboards.viewing.points import Points

VECTOR_PALETTE = "inferno"
FRAME_PALETTE = "inferno"
PATTERN_PALETTE = "inferno"

_HOLE = np.zeros((1, 1), np.uint8)


class Page:
    """Models of one session.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self.link = Link(name="link")
        # One for each panel: a figure is painted anew with every change of a source that it draws from.
        self.pictures = {
            name: ColumnDataSource(name=_source_name(name), data=_picture_columns(None)) for name in PICTURES
        }
        self.disks = ColumnDataSource(name="disks", data=_disk_columns({}))
        self.peaks = ColumnDataSource(name="peaks", data={"x": [], "y": []})
        self.ring = ColumnDataSource(name="ring", data={"x": [], "y": []})
        self.marks = ColumnDataSource(name="marks", data={"x": [], "y": [], "size": [], "colour": []})
        self.notes = ColumnDataSource(name="notes", data={"x": [], "y": [], "n": []})
        self.curves = ColumnDataSource(name="curves", data=_curve_columns(NO_CURVES))
        self.trends = ColumnDataSource(name="trends", data={key: [] for key in ("age", *KEYS)})
        self._drawn: dict[str, Any] = {}
        self._image_palette = "gray"
        self.plots = self._real_space() | self._diffraction() | self._curves()
        self.outbox = Outbox()
        self.explore = ExplorePage(self.plots, theme, self.outbox)
        self._wire()

    def attach(self, doc: Document) -> None:
        """Put everything into the document of a new session, which is empty."""
        doc.js_on_event("document_ready", self._ready)
        doc.js_on_event("connection_lost", CustomJS(code="livebragg.cut()"))
        with doc.models.freeze():  # Bokeh collects all models anew for every root that is added one by one
            for plot in self.plots.values():
                doc.add_root(plot)

    # ----------------------------------------------------------------------------------------- building
    def _real_space(self) -> dict[str, Any]:
        hole = self._theme.hole
        plots = {name: picture_figure(name, self._theme) for name in ("classes", "virtual")}
        add_picture(plots["classes"], self.pictures["classes"], class_palette(hole, self._theme.unclassified))
        self._virtual_mapper = add_picture(
            plots["virtual"], self.pictures["virtual"], picture_palette(self._image_palette, hole)
        )
        style: dict[str, Any] = {
            "line_color": self._theme.muted,
            "line_alpha": 0.5,
            "line_width": 1,
            "level": "overlay",
        }
        crosshair = (Span(dimension="width", **style), Span(dimension="height", **style))
        for plot in plots.values():
            plot.add_tools(CrosshairTool(overlay=crosshair))
            for extra, colour in ((2, "black"), (0, "colour")):
                add_glyph(plot, self.marks, Scatter(
                    x="x", y="y", size="size", marker="square", fill_color=None, line_color=colour,
                    line_width=2 + extra,
                ))  # fmt: skip
            add_glyph(plot, self.notes, Scatter(
                x="x", y="y", size=17, marker="circle", fill_color="#10141a", line_color="#ffffff", line_width=1.6,
            ))  # fmt: skip
            add_glyph(plot, self.notes, Text(
                x="x", y="y", text="n", text_color="#ffffff", text_font=value(FONT), text_font_size="11px",
                text_font_style="bold", text_align="center", text_baseline="middle",
            ))  # fmt: skip
        return plots

    def _diffraction(self) -> dict[str, Any]:
        theme = self._theme
        vectors, frame = picture_figure("vectors", theme, axes=True), picture_figure("frame", theme, axes=True)
        add_picture(vectors, self.pictures["vectors"], picture_palette(VECTOR_PALETTE, theme.hole))
        add_glyph(vectors, self.peaks, Scatter(
            x="x", y="y", size=8, fill_color=None, line_color=theme.peaks, line_width=1.2, line_alpha=0.9,
        ))  # fmt: skip
        add_glyph(vectors, self.ring, Line(
            x="x", y="y", line_color=theme.accent, line_width=1.6, line_dash=[6, 4]
        ))  # fmt: skip
        add_picture(frame, self.pictures["frame"], picture_palette(FRAME_PALETTE, theme.hole))
        add_glyph(frame, self.disks, Circle(
            x="x", y="y", radius="radius", fill_color=None, line_color=theme.peaks, line_width=1.4,
        ))  # fmt: skip
        profiles = profile_figure("profiles", theme)
        add_glyph(profiles, self.curves, MultiLine(xs="x", ys="y", line_color="colour", line_width=2))
        return {"vectors": vectors, "frame": frame, "profiles": profiles}

    def _curves(self) -> dict[str, Any]:
        theme = self._theme
        self._lately = Range1d(start=-60, end=0)
        curves = {
            "rate": ("rate_received_hz", "rate_analysed_hz"),
            "lag": ("lag_p99_s", "lag_p50_s"),
            "disks_per_frame": ("", "disks_per_frame"),
            "peaks_classes": ("n_classes", "n_peaks"),
            "residual": ("", "nmf_residual"),
        }
        plots = {}
        for name, (faint, strong) in curves.items():
            plot = plots[f"trend_{name}"] = trend_figure(f"trend_{name}", theme, self._lately)
            for key, colour, width in ((faint, theme.curve_faint, 1.5), (strong, theme.curve, 2.0)):
                if key:
                    add_glyph(plot, self.trends, Line(x="age", y=key, line_color=colour, line_width=width))
        return plots

    def _wire(self) -> None:
        """Hand everything to ``page.js``."""
        for name in PICTURES:
            plot = self.plots[name]
            args = {"name": name, "link": self.link}
            where = "{panel: name, x: cb_obj.x, y: cb_obj.y}"
            plot.js_on_event(MouseMove, CustomJS(args=args, code=f"livebragg.hover({where})"))
            plot.js_on_event(MouseLeave, CustomJS(args=args, code="livebragg.leave()"))
            if name == "vectors":
                plot.js_on_event(
                    Tap,
                    CustomJS(
                        args=args, code=f"livebraggDrawer.tap({where}) || explore.peak(name, cb_obj.x, cb_obj.y)"
                    ),
                )
            if name in ("classes", "virtual"):
                plot.js_on_event(Tap, CustomJS(args=args, code=f"livebragg.act('select', {where})"))
        # The link is named here because only what hangs on a root follows its changes.
        self.link.js_on_change("news", CustomJS(args={"link": self.link}, code="livebragg.update(link)"))
        features = self.plots["features"]
        hover = "livebragg.hover({panel: 'features', x: cb_obj.x, y: cb_obj.y})"
        features.js_on_event(MouseMove, CustomJS(code=hover))
        features.js_on_event(MouseLeave, CustomJS(code="livebragg.leave()"))
        own = (
            *self.pictures.values(),
            self.disks,
            self.peaks,
            self.ring,
            self.marks,
            self.notes,
            self.curves,
            self.trends,
        )
        sources = {source.name: source for source in (*own, *self.explore.sources)}
        args = {"link": self.link, "plots": self.plots, "sources": sources,
                "palette": list(picture_palette(PATTERN_PALETTE, self._theme.hole))}  # fmt: skip
        self._ready = CustomJS(args=args, code="livebragg.start(link, plots, sources, palette)")

    # ------------------------------------------------------------------------------------------ drawing
    def draw(self, scene: Scene, texts: dict[str, Any]) -> None:
        """Send what has changed or was not drawn yet, and all texts; with them goes the number to acknowledge."""
        self._choose_palette(kind_of(scene.image_name).palette)
        self._draw_pictures(scene.pictures)
        if self._changed("tiles", scene.tiles):
            self.outbox.put("tiles", _tile_columns(scene.tiles))
        if self._changed("curves", scene.curves):
            self.outbox.put("curves", _curve_columns(scene.curves))
            if scene.curves.x:
                ends = [(x[0], x[-1]) for x in scene.curves.x]
                self.plots["profiles"].x_range.update(start=min(ends)[0], end=max(e for _, e in ends))
        self._draw_points("disks", _disk_columns(scene.disks))
        self._draw_points("peaks", scene.peaks)
        self._draw_points("ring", scene.ring)
        self._draw_points("marks", _mark_columns(scene.marks, self._theme))
        self._draw_notes(texts["marks"])
        texts["profiles"] = len(scene.curves.x)
        texts["extents"] = {name: picture.axes.extent for name, picture in scene.pictures.items()}
        self.link.news = {"texts": json.dumps(texts, allow_nan=False), "columns": self.outbox.columns}

    def draw_trends(self, columns: Points) -> None:
        """Replace the curves."""
        self.outbox.put("trends", columns)
        oldest = float(columns["age"][0]) if columns["age"].size else 0.0
        self._lately.start = -min(600.0, max(60.0, -60.0 * math.ceil(-oldest / 60.0)))

    def _draw_notes(self, marks: dict[str, Any]) -> None:
        rows = marks["rows"] if marks["on"] else []
        placed = [(row["x"], row["y"], str(row["n"])) for row in rows if row["x"] is not None]
        if self._drawn.get("notes") != placed:
            self._drawn["notes"] = placed
            self.outbox.put("notes", {name: [row[k] for row in placed] for k, name in enumerate(("x", "y", "n"))})

    def _draw_pictures(self, pictures: dict[str, Picture]) -> None:
        for name in PICTURES:
            if self._changed(name, pictures.get(name)):
                self.outbox.put(_source_name(name), _picture_columns(pictures.get(name)))

    def _draw_points(self, name: str, points: Points) -> None:
        before = self._drawn.get(name)
        if before is None or any(not np.array_equal(points[key], before[key]) for key in points):
            self._drawn[name] = points
            self.outbox.put(name, points)

    def _choose_palette(self, name: str) -> None:
        if name != self._image_palette:
            self._image_palette = name
            self._virtual_mapper.palette = list(picture_palette(name, self._theme.hole))

    def _changed(self, name: str, thing: Any) -> bool:
        before, self._drawn[name] = self._drawn.get(name), thing
        return before is not thing


def _source_name(panel: str) -> str:
    return f"picture_{panel}"


def _picture_columns(picture: Picture | None) -> dict[str, list[Any]]:
    pixels, (left, right, top, bottom) = (
        (_HOLE, (0, 0, 0, 0)) if picture is None else (picture.pixels, picture.drawn)
    )
    return {"image": [pixels], "x": [left], "y": [top], "dw": [right - left], "dh": [bottom - top]}


def _disk_columns(disks: Points) -> dict[str, Any]:
    return {name: disks.get(name, np.zeros(0)) for name in ("x", "y", "radius")}


def _tile_columns(tiles: Tiles) -> dict[str, Any]:
    """Ids, and the patterns, which are all of one size, as one array."""
    return {"ids": tiles.ids, "stack": np.stack(tiles.pixels) if tiles.ids else _HOLE[None]}


def _curve_columns(curves: Curves) -> dict[str, list[Any]]:
    return {"x": curves.x, "y": curves.y, "colour": curves.colours}


def _mark_columns(marks: Points, theme: Theme) -> dict[str, Any]:
    live = marks["live"] > 0
    return {
        "x": marks["x"], "y": marks["y"], "size": np.where(live, 5.0, 15.0),
        "colour": np.where(live, theme.accent, "#ffffff"),
    }  # fmt: skip
