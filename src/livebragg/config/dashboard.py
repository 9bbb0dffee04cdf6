"""Configuration of the web page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from livebragg.config.checks import one_of, within
from livebragg.errors import ConfigError

THEMES = ("dark", "light")

_ENDPOINT = re.compile(r"(tcp://[^\s:/]+|tcp://\[[0-9a-fA-F:]+\]):[0-9]{1,5}|(ipc|inproc)://\S+")
_ORIGIN = re.compile(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardConfig:
    """The web page."""

    feed: str = "tcp://127.0.0.1:7551"
    """Endpoint of the pipeline's results feed."""
    control: str = "tcp://127.0.0.1:7552"
    """Endpoint on which the pipeline answers requests."""
    host: str = "127.0.0.1"
    """Address the page is served on; 127.0.0.1 is this computer only, 0.0.0.0 the whole network."""
    port: int = 7553
    """TCP port of the page; 0 takes any that is free."""
    allowed_origins: tuple[str, ...] = ()
    """HOST or HOST:PORT under which browsers may open the page, besides this computer's own names."""
    read_only: bool = False
    """Nothing can be changed from the page."""
    token_file: str = ""
    """File with the token that browsers are asked for, at least 16 characters; empty: none is asked for."""
    nice: int = 15
    """How far the server's process gives way to other programs, from 0 (as little as the pipeline) to 19."""
    theme: str = "dark"
    """Look of the page when it is opened: "dark" or "light"; each viewer can change it."""

    def __post_init__(self) -> None:
        for key in ("feed", "control"):
            if not _ENDPOINT.fullmatch(getattr(self, key)):
                raise ConfigError(
                    f"dashboard.{key} {getattr(self, key)!r} is not an endpoint; write tcp://HOST:PORT or ipc://PATH"
                )
        if not self.host.strip():
            raise ConfigError("dashboard.host must not be empty; write 127.0.0.1 for this computer only")
        within("dashboard.port", self.port, 0, 65535)
        within("dashboard.nice", self.nice, 0, 19)
        one_of("dashboard.theme", self.theme, THEMES)
        for origin in self.allowed_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    f"dashboard.allowed_origins: {origin!r} is not HOST or HOST:PORT; name every host exactly, "
                    "without http:// and without *"
                )
