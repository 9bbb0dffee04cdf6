"""Entry of the Bokeh app, run once for every page that is opened. Bokeh runs this file alone: absolute imports."""

from __future__ import annotations

import sys

from bokeh.io import curdoc

from livebragg_dashboards.app import open_page
from livebragg_dashboards.options import config_of, parser

if __name__.startswith("bokeh_app"):
    open_page(curdoc(), config_of(parser().parse_args(sys.argv[1:])))
