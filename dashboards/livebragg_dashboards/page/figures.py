"""Figures without any of Bokeh's default clutter."""

from __future__ import annotations

from typing import Any

from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    CustomJS,
    DataRange1d,
    Image,
    InlineStyleSheet,
    LinearColorMapper,
    NumeralTickFormatter,
    PanTool,
    Range1d,
    WheelZoomTool,
)
from bokeh.plotting import figure

from livebragg_dashboards.page.theme import Theme

_BARE_CSS = """
:host { clip-path: inset(1px); } /* panels have fractional sizes, and the canvas leaves a hairline at its edge */
:host, .bk-Canvas { --highlight-color: transparent !important; } /* no dotted frame after a click */
"""

FONT = "Inter, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', sans-serif"


def picture_figure(name: str, theme: Theme, *, axes: bool = False) -> Any:
    """An empty figure whose rows run down; the browser keeps its pixels square (see ``fit`` in page.js)."""
    wheel = WheelZoomTool()
    plot = figure(
        **_axis_types(axes, axes),
        name=name,
        tools=[PanTool(), wheel],
        active_scroll=wheel,
        x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=1, end=0),
    )
    _bare(plot, theme)
    for axis in plot.axis:
        _quiet_axis(axis, theme)
    for trigger in ("inner_width", "inner_height"):
        plot.js_on_change(trigger, CustomJS(args={"plot": plot}, code="livebragg.fit(plot.name)"))
    plot.js_on_event("doubletap", CustomJS(args={"plot": plot}, code="livebragg.fit(plot.name)"))
    return plot


def trend_figure(name: str, theme: Theme, lately: Range1d) -> Any:
    """A small plot of the last minutes."""
    plot = figure(
        **_axis_types(False, True),
        name=name,
        tools=[],
        y_range=DataRange1d(start=0, range_padding=0.15),
        x_range=lately,
    )
    _bare(plot, theme)
    axis = plot.yaxis[0]
    _quiet_axis(axis, theme)
    axis.ticker = BasicTicker(desired_num_ticks=3)
    axis.formatter = NumeralTickFormatter(format="0.[00]a")
    plot.ygrid[0].visible = True
    plot.ygrid[0].grid_line_color = theme.line
    plot.ygrid[0].ticker = axis.ticker
    return plot


def profile_figure(name: str, theme: Theme) -> Any:
    """An empty plot of radial profiles, whose heights are relative."""
    ranges: dict[str, Any] = {"x_range": Range1d(start=0, end=1), "y_range": Range1d(start=0, end=1.15)}
    plot = figure(**_axis_types(True, False), name=name, tools=[], **ranges)
    _bare(plot, theme)
    _quiet_axis(plot.xaxis[0], theme)
    return plot


def bar_figure(name: str, theme: Theme) -> Any:
    """An empty plot of bars, which have no order that a scale could tell."""
    y_range = DataRange1d(start=0, range_padding=0.08)
    ranges: dict[str, Any] = {"x_range": Range1d(start=0, end=1), "y_range": y_range}
    plot = figure(**_axis_types(False, True), name=name, tools=[], **ranges)
    _bare(plot, theme)
    _quiet_axis(plot.yaxis[0], theme)
    plot.yaxis[0].ticker = BasicTicker(desired_num_ticks=3)
    plot.yaxis[0].formatter = NumeralTickFormatter(format="0.[00]a")
    return plot


def _axis_types(below: bool, left: bool) -> dict[str, Any]:
    """What is not seen is not made, axes and grids: the browser has less to build when a page is opened."""
    return {"x_axis_type": "auto" if below else None, "y_axis_type": "auto" if left else None}


def _bare(plot: Any, theme: Theme) -> None:
    plot.toolbar_location = None
    plot.sizing_mode = "stretch_both"
    plot.min_border = 0
    plot.outline_line_color = None
    plot.background_fill_color = plot.border_fill_color = theme.panel
    if plot.grid:
        plot.grid.visible = False
    plot.lod_threshold = None
    plot.stylesheets = [InlineStyleSheet(css=_BARE_CSS)]


def _quiet_axis(axis: Any, theme: Theme) -> None:
    axis.axis_line_color = None
    axis.major_tick_line_color = theme.line
    axis.major_tick_in, axis.major_tick_out = 0, 4
    axis.minor_tick_line_color = None
    axis.major_label_text_color = theme.muted
    axis.major_label_text_font = FONT
    axis.major_label_text_font_size = "11px"
    axis.major_label_standoff = 3
    axis.ticker = BasicTicker(desired_num_ticks=5)


def add_picture(plot: Any, source: ColumnDataSource, palette: tuple[str, ...]) -> LinearColorMapper:
    """Draw the 8-bit image of a source, whose values are palette indices."""
    mapper = LinearColorMapper(palette=list(palette), low=-0.5, high=255.5)
    add_glyph(plot, source, Image(image="image", x="x", y="y", dw="dw", dh="dh", color_mapper=mapper))
    return mapper


def add_glyph(plot: Any, source: ColumnDataSource, glyph: Any) -> None:
    """Draw a column, without the four other looks that Bokeh makes of every glyph for selections."""
    plot.add_glyph(source, glyph, selection_glyph=None, nonselection_glyph=None, muted_glyph=None)
