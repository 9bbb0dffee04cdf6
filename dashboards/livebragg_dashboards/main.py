"""Entry of the Bokeh app, run once for every page that is opened. Bokeh runs this file alone: absolute imports."""

from __future__ import annotations

import sys

from bokeh.io import curdoc

from livebragg.errors import ConfigError
from livebragg_dashboards.options import config_of, parser
from livebragg_dashboards.server.app import open_page

if __name__.startswith("bokeh_app"):
    args = parser().parse_args(sys.argv[1:])
    if args.token_file or args.file or args.results or args.rules:
        raise ConfigError(
            "bokeh serve knows no --token-file, --file, --results and --rules; use livebragg-dashboard instead"
        )
    open_page(curdoc(), config_of(args))
