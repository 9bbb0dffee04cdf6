"""Serving clients at an address of the command line: what both command interfaces share."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator

from livebragg.errors import ConfigError
from livebragg.wire.endpoints import host_port

POLL_S = 0.05
"""Time that ending a server may take."""


@contextlib.contextmanager
def serving(
    kind: type[socketserver.TCPServer],
    handler: type[socketserver.BaseRequestHandler],
    address: str,
    *,
    flag: str,
    usual_port: int,
) -> Iterator[str]:
    """Serve at HOST:PORT (port 0: any that is free); gives the address with the port in it.

    Parameters
    ----------
    kind, handler : type
        The server, and what answers its clients.
    address : str
        ``HOST:PORT``.
    flag : str
        Of the command line, for the words of an error.
    usual_port : int
        Of the example in them.

    Raises
    ------
    ConfigError
        The address is none, or cannot be had.
    """
    place = host_port(address, lowest=0)
    if place is None:
        raise ConfigError(f"{flag} {address!r} is no address; write HOST:PORT, for example 127.0.0.1:{usual_port}")
    try:
        server = kind(place, handler)
    except OSError as error:
        raise ConfigError(f"{flag} {address}: {error.strerror}; choose another address or port") from None
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
    thread.start()
    try:
        yield f"{place[0]}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
