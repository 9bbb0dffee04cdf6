"""Bokeh models of what a viewer explores, laid over the figures of the page."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import Circle, ColumnDataSource, Quad, VBar

from livebragg_dashboards.explore.views import View
from livebragg_dashboards.page.figures import add_glyph, bar_figure
from livebragg_dashboards.page.outbox import Outbox
from livebragg_dashboards.page.theme import Theme

_NO_BOXES: dict[str, list[Any]] = {"left": [], "right": [], "top": [], "bottom": [], "colour": []}
_NO_CIRCLES: dict[str, list[float]] = {"x": [], "y": [], "radius": []}


class ExplorePage:
    """Boxes on the scan, apertures and rings on diffraction pictures, bars of features.

    Parameters
    ----------
    plots : dict
        Figures by panel; that of the features is added.
    theme : Theme
    outbox : Outbox
        Takes what has changed.
    """

    def __init__(self, plots: dict[str, Any], theme: Theme, outbox: Outbox) -> None:
        self._outbox = outbox
        self.boxes = ColumnDataSource(name="boxes", data=_NO_BOXES)
        self.places = ColumnDataSource(name="places", data=_NO_CIRCLES)
        self.rings = ColumnDataSource(name="rings", data=_NO_CIRCLES)
        self.bars = ColumnDataSource(name="bars", data={"x": [], "top": []})
        self.sources = (self.boxes, self.places, self.rings, self.bars)
        self._drawn: dict[str, Any] = {}
        for name in ("classes", "virtual"):
            for colour, width in (("black", 4.5), ("colour", 2.5)):
                add_glyph(plots[name], self.boxes, Quad(
                    left="left", right="right", top="top", bottom="bottom", fill_color=None, line_color=colour,
                    line_width=width,
                ))  # fmt: skip
        for name in ("vectors", "frame"):
            _circles(plots[name], self.places)
        _circles(plots["frame"], self.rings)
        self.features = plots["features"] = bar_figure("features", theme)
        add_glyph(
            self.features, self.bars, VBar(x="x", top="top", width=0.8, fill_color=theme.curve, line_color=None)
        )

    def draw(self, view: View, texts: dict[str, Any]) -> None:
        """Send what has changed."""
        cards, detector = view.texts["boxes"], view.texts["detector"]
        if self._changed("boxes", [(card["number"], card["place"]) for card in cards]):
            self._outbox.put("boxes", _box_columns(cards))
        if self._changed("tiles", [(number, id(tile)) for number, tile in view.tiles.items()]):
            self._drawn["pixels"] = list(view.tiles.values())  # kept, so that ids are not given away meanwhile
            self._outbox.put("box_tiles", {"id": list(view.tiles), "tile": list(view.tiles.values())})
        if self._changed("detector", {k: v for k, v in (detector or {}).items() if k not in ("title", "note")}):
            self._outbox.put("places", _place_columns(detector))
            self._outbox.put("rings", _ring_columns(detector))
        if self._drawn.get("bars") is not view.bars:
            self._drawn["bars"] = view.bars
            self._outbox.put("bars", view.bars.columns())
            self.features.x_range.end = max(1.0, float(view.bars.value.size))
        texts["explore"] = view.texts

    def _changed(self, name: str, value: Any) -> bool:
        before, self._drawn[name] = self._drawn.get(name), value
        return bool(before != value)


def _circles(plot: Any, source: ColumnDataSource) -> None:
    for colour, width in (("black", 4.5), ("white", 2.2)):
        add_glyph(
            plot,
            source,
            Circle(x="x", y="y", radius="radius", fill_color=None, line_color=colour, line_width=width),
        )


def _box_columns(cards: list[dict[str, Any]]) -> dict[str, Any]:
    """Edges in the figure of a scan, where pixel ``(r, c)`` covers ``c .. c + 1`` and ``r .. r + 1``."""
    top, left, bottom, right = np.array([card["place"] for card in cards], np.float64).reshape(-1, 4).T
    return {"left": left, "right": right, "top": top, "bottom": bottom, "colour": [c["colour"] for c in cards]}


def _place_columns(detector: dict[str, Any] | None) -> dict[str, list[float]]:
    if detector is None or detector["kind"] == "ring":
        return _NO_CIRCLES
    return {name: [detector[name]] for name in ("x", "y", "radius")}


def _ring_columns(detector: dict[str, Any] | None) -> dict[str, list[float]]:
    if detector is None or detector["kind"] != "ring":
        return _NO_CIRCLES
    radii = [detector["inner"], detector["outer"]]
    return {"x": [0.0, 0.0], "y": [0.0, 0.0], "radius": radii}
