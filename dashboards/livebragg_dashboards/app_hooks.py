"""Begin and end of the server process: the hub listens from the start, so the first page is filled at once."""

from __future__ import annotations

import sys
from typing import Any

from livebragg_dashboards.hubs import close_hubs, shared_hub
from livebragg_dashboards.options import config_of, parser

_config = config_of(parser().parse_args(sys.argv[1:]))


def on_server_loaded(server_context: Any) -> None:
    """Begin to listen to the pipeline."""
    shared_hub(_config)


def on_server_unloaded(server_context: Any) -> None:
    """End the hub's thread and sockets."""
    close_hubs()
