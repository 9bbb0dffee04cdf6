"""Turns an empty Bokeh document into the dashboard."""

from __future__ import annotations

from typing import Any

from bokeh.document import Document

from livebragg.config.dashboard import DashboardConfig
from livebragg_dashboards.hubs import shared_hub
from livebragg_dashboards.session import Session
from livebragg_dashboards.theme import THEMES, Theme

TITLE = "livebragg"


def open_page(doc: Document, config: DashboardConfig) -> None:
    """Fill the document of a new session.

    Parameters
    ----------
    doc : Document
        New and empty.
    config : DashboardConfig
        Its theme holds unless the page was opened with ``?theme=light`` or ``?theme=dark``.
    """
    theme = _theme(doc, config.theme)
    session = Session(doc, shared_hub(config), theme)
    doc.title = TITLE
    doc.template_variables["theme"] = theme
    # page.js has its own sign for a lost server, and loads the page anew when the server is back.
    _switch_off(doc.config, "notify_connection_status", "reconnect_session")
    doc.on_session_destroyed(lambda context: session.close())


def _theme(doc: Document, default: str) -> Theme:
    request: Any = getattr(doc.session_context, "request", None)
    wanted = request.arguments.get("theme", []) if request else []
    name = wanted[0].decode(errors="replace") if wanted else default
    return THEMES.get(name, THEMES[default])


def _switch_off(config: Any, *names: str) -> None:
    for name in names:
        if name in config.properties():  # not every version of Bokeh has all of them
            setattr(config, name, False)
