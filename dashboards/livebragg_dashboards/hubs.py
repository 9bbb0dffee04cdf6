"""The hubs of this server process, one for each pair of endpoints; all sessions share them."""

from __future__ import annotations

import threading

from livebragg.config.dashboard import DashboardConfig
from livebragg_dashboards.hub import Hub

_hubs: dict[tuple[str, str], Hub] = {}
_lock = threading.Lock()


def shared_hub(config: DashboardConfig) -> Hub:
    """The hub for these endpoints, started when it is first asked for."""
    key = (config.feed, config.control)
    with _lock:
        if key not in _hubs:
            _hubs[key] = Hub(*key)
            _hubs[key].start()
        return _hubs[key]


def close_hubs() -> None:
    """End all hubs of the process."""
    with _lock:
        for hub in _hubs.values():
            hub.close()
        _hubs.clear()
