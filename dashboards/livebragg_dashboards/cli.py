"""``livebragg-dashboard``: serves the page, and only the page."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bokeh.command.util import build_single_handler_application
from bokeh.resources import Resources
from bokeh.server.auth_provider import NullAuth
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from livebragg.config.dashboard import DashboardConfig
from livebragg.errors import ConfigError, LiveBraggError, PipelineError
from livebragg_dashboards.listening.hubs import close_hubs, shared_hub
from livebragg_dashboards.options import config_of, parser
from livebragg_dashboards.page.spares import prepare
from livebragg_dashboards.page.theme import THEMES
from livebragg_dashboards.server.login import TokenAuth, read_token
from livebragg_dashboards.sources.alerts import close_alarm, open_alarm
from livebragg_dashboards.sources.archive import close_archive, current_archive, open_archive
from livebragg_dashboards.sources.scans import ScansHandler
from livebragg_dashboards.sources.served import Served

APP_DIR = Path(__file__).parent
SESSION_TOKEN_S = 16 * 3600
"""A page that was open over night still finds its server in the morning."""


def make_server(config: DashboardConfig) -> tuple[Any, int]:
    """The web server, not started yet, and the port it listens on.

    Raises
    ------
    PipelineError
        The port cannot be used.
    ConfigError
        The token file cannot be used.
    """
    arguments = ["--feed", config.feed, "--control", config.control, "--theme", config.theme]
    arguments += ["--read-only"] if config.read_only else []
    auth = TokenAuth(read_token(config.token_file)) if config.token_file else NullAuth()
    application = build_single_handler_application(str(APP_DIR), arguments)
    try:
        listening = _listen(config.host, config.port)
    except OSError as error:
        raise PipelineError(
            f"cannot serve on {config.host}:{config.port}: {error.strerror}; is another dashboard running? "
            "Choose another one with --port"
        ) from None
    port = int(listening.getsockname()[1])
    archive = current_archive()
    tornado = _Tornado(
        {"/": application},
        extra_patterns=[("/scans", ScansHandler, {"archive": archive})] if archive else [],
        extra_websocket_origins=origins(config, port),
        auth_provider=auth,
        include_cookies=[],  # what Bokeh includes is written into the page
        exclude_headers=["Cookie"],
        session_token_expiration=SESSION_TOKEN_S,
        unused_session_lifetime_milliseconds=5000,
        check_unused_sessions_milliseconds=3000,
    )
    http = HTTPServer(tornado)
    http.add_socket(listening)
    return BaseServer(IOLoop.current(), tornado, http), port


class _Tornado(BokehTornado):
    """Sends browsers the one script that the page needs, not the four for widgets, tables, WebGL and formulas."""

    def resources(self, absolute_url: str | bool | None = None) -> Resources:
        """Scripts and styles of the page."""
        all_of_them = super().resources(absolute_url)
        return Resources(mode="server", root_url=all_of_them.root_url, path_versioner=all_of_them.path_versioner,
                         components=["bokeh"])  # fmt: skip


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setblocking(False)
    return listening


def origins(config: DashboardConfig, port: int) -> list[str]:
    """Exactly the addresses under which the page may be opened."""
    own = [f"localhost:{port}", f"127.0.0.1:{port}"]
    if config.host not in ("0.0.0.0", "::", "127.0.0.1", "localhost"):
        own.append(f"{config.host}:{port}")
    return own + [origin if ":" in origin else f"{origin}:{port}" for origin in config.allowed_origins]


def serve(config: DashboardConfig, *, show: bool) -> None:
    """Serve until interrupted."""
    server, port = make_server(config)
    url = f"http://{'127.0.0.1' if config.host in ('0.0.0.0', '::') else config.host}:{port}/"
    print(f"livebragg dashboard: {url}\nlistening to {config.feed}; stop with Ctrl-C", flush=True)
    if show:
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    _give_way(config.nice)  # before threads are started: they inherit it
    try:
        prepare(THEMES[config.theme])
        shared_hub(config)  # it listens from the start, so that the first page is filled at once
        server.run_until_shutdown()
    finally:
        close_hubs()


def shown_config(args: argparse.Namespace, stack: contextlib.ExitStack) -> DashboardConfig:
    """Configuration of the command line; of a file, with the endpoints of the program that reads it.

    Raises
    ------
    ConfigError
        A value cannot be used.
    PipelineError
        The file cannot be shown.
    """
    config = config_of(args)
    if args.recording and not args.file:
        raise ConfigError("--recording belongs to a results file: name it with --file")
    if args.results:
        open_archive(args.results)
        stack.callback(close_archive)
    if args.rules:
        open_alarm(args.rules, config.feed)
        stack.callback(close_alarm)
    if not args.file:
        return config
    frames = ["--recording", args.recording] if args.recording else []
    served = stack.enter_context(Served("serve", args.file, *frames))
    return replace(config, feed=served.feed, control=served.control)


def _give_way(nice: int) -> None:
    """Lower the priority of this process: viewers take little of what the pipeline could use."""
    os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of the console script."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # A browser that is closed is no news.
    logging.getLogger("bokeh.server.views.ws").setLevel(logging.ERROR)
    args = parser().parse_args(argv)
    try:
        with contextlib.ExitStack() as stack:
            serve(shown_config(args, stack), show=args.show)
    except ConfigError as error:
        print(f"livebragg-dashboard: {error}", file=sys.stderr)
        return 2
    except LiveBraggError as error:
        print(f"livebragg-dashboard: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
