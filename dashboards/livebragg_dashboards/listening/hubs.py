"""The hubs of this server process, one for each pair of endpoints; all sessions share them."""

from __future__ import annotations

import threading

from livebragg.config.dashboard import DashboardConfig
from livebragg.errors import ConfigError
from livebragg_dashboards.listening.hub import Hub

MAX_HUBS = 8
"""Pipelines that are listened to at once."""

_hubs: dict[tuple[str, str], Hub] = {}
_lock = threading.Lock()


def shared_hub(config: DashboardConfig) -> Hub:
    """The hub for these endpoints, started when it is first asked for."""
    key = (config.feed, config.control)
    with _lock:
        if key not in _hubs:
            hub = Hub(*key)
            for known in _hubs.values():
                if known.control == hub.control:  # who has control has it of the pipeline
                    hub.floor = known.floor
            _hubs[key] = hub
            hub.start()
        return _hubs[key]


def other_hub(feed: str, control: str) -> Hub:
    """The hub for endpoints that a viewer typed.

    Raises
    ------
    ConfigError
        They are no endpoints of the network, or too many others are listened to.
    """
    for endpoint in (feed, control):
        if not endpoint.startswith("tcp://") or "*" in endpoint or len(endpoint) > 200:
            raise ConfigError(f"{endpoint[:80]!r} is no endpoint of a pipeline; write tcp://HOST:PORT")
    config = DashboardConfig(feed=feed, control=control)
    with _lock:
        known = len(_hubs)
        if (feed, control) not in _hubs and known >= MAX_HUBS:
            raise ConfigError(f"{known} pipelines are listened to already; close pages that show another one")
    return shared_hub(config)


def retire(hub: Hub, owner: str) -> None:
    """A session shows this pipeline no longer; the first one is kept, others end with their last session."""
    hub.leave(owner)
    with _lock:
        key = (hub.feed, hub.control)
        last = not hub.owners and key in _hubs and key != next(iter(_hubs))
        if last:
            del _hubs[key]
    if last:
        hub.close()


def silent_hub(problem: str) -> Hub:
    """A hub that listens to nothing, for a page that only says why."""
    hub = Hub("inproc://nothing", "inproc://nothing")
    hub.problem = problem
    return hub


def close_hubs() -> None:
    """End all hubs of the process."""
    with _lock:
        for hub in _hubs.values():
            hub.close()
        _hubs.clear()
