"""What happens when the server process ends."""

from __future__ import annotations

from typing import Any

from livebragg_dashboards.listening.hubs import close_hubs


def on_server_unloaded(server_context: Any) -> None:
    """End the hubs' threads and sockets."""
    close_hubs()
