"""Turns an empty Bokeh document into the dashboard."""

from __future__ import annotations

import itertools
from typing import Any

from bokeh.document import Document

from livebragg.config.dashboard import DashboardConfig
from livebragg.errors import LiveBraggError, PipelineError
from livebragg_dashboards.listening.hub import Hub
from livebragg_dashboards.listening.hubs import shared_hub, silent_hub
from livebragg_dashboards.page.theme import THEMES, Theme
from livebragg_dashboards.server.session import Session
from livebragg_dashboards.sources.archive import current_archive
from livebragg_dashboards.words import clean

TITLE = "livebragg"
_numbers = itertools.count(1)


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
    looks_only = config.read_only or "view" in _arguments(doc)
    session = Session(doc, _hub(doc, config), theme, _name(doc), looks_only)
    doc.title = TITLE
    doc.template_variables["theme"] = theme
    doc.template_variables["archive"] = current_archive() is not None
    # page.js has its own sign for a lost server, and loads the page anew when the server is back.
    _switch_off(doc.config, "notify_connection_status", "reconnect_session")
    doc.on_session_destroyed(lambda context: session.close())


def _theme(doc: Document, default: str) -> Theme:
    return THEMES.get(_arguments(doc).get("theme", default), THEMES[default])


def _arguments(doc: Document) -> dict[str, str]:
    """What stands behind the ``?`` of the page's address."""
    request: Any = getattr(doc.session_context, "request", None)
    given = request.arguments if request else {}
    return {key: values[0].decode(errors="replace") for key, values in given.items() if values}


def _name(doc: Document) -> str:
    """What other viewers see when this one has control: ``?name=`` of the address, else a number."""
    return clean(_arguments(doc).get("name", ""), 24) or f"viewer {next(_numbers)}"


def _hub(doc: Document, config: DashboardConfig) -> Hub:
    """What the page shows: the pipeline, or with ``?file=NAME`` a results file of the folder."""
    name, archive = _arguments(doc).get("file"), current_archive()
    if name is None:
        return shared_hub(config)
    try:
        if archive is None:
            raise PipelineError("this dashboard knows no folder of results files; start it with --results FOLDER")
        return archive.hub(name)
    except LiveBraggError as error:
        return silent_hub(str(error))


def _switch_off(config: Any, *names: str) -> None:
    for name in names:
        if name in config.properties():  # not every version of Bokeh has all of them
            setattr(config, name, False)
