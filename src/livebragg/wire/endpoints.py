"""Addresses as people write them."""

from __future__ import annotations

import socket


def host_port(address: str, *, lowest: int = 1) -> tuple[str, int] | None:
    """Host and port of ``HOST:PORT``, ``None`` when it is no such address or the port is below `lowest`.

    Examples
    --------
    >>> host_port("merlin-pc:6342"), host_port("[::1]:80"), host_port("merlin-pc"), host_port("a:99999")
    (('merlin-pc', 6342), ('::1', 80), None, None)
    """
    host, _, port = address.rpartition(":")
    if host and port.isascii() and port.isdigit() and len(port) < 6 and lowest <= int(port) < 65536:
        return host.strip("[]"), int(port)
    return None


def is_listening(path: str) -> bool:
    """Whether somebody takes connections at a Unix domain socket (``@name``: an abstract one)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(f"\0{path[1:]}" if path.startswith("@") else path)
        except OSError:  # nobody there, or only what a dead process left behind
            return False
    return True
