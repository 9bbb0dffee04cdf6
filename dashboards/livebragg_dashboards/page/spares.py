"""A page that is ready before somebody opens one: building its models takes a good part of the time until then."""

from __future__ import annotations

from tornado.ioloop import IOLoop

from livebragg_dashboards.page.page import Page
from livebragg_dashboards.page.theme import Theme

PREPARE_AFTER_S = 2.0
"""The page that was just opened comes first."""

_spares: dict[str, Page] = {}


def prepare(theme: Theme) -> None:
    """Build the next page of this look, if there is none yet."""
    if theme.name not in _spares:
        _spares[theme.name] = Page(theme)


def take(theme: Theme) -> Page:
    """A page that nobody has; the next one is built soon. Only within the server's loop."""
    page = _spares.pop(theme.name, None) or Page(theme)
    loop = IOLoop.current(instance=False)
    if loop is not None:
        loop.call_later(PREPARE_AFTER_S, prepare, theme)
    return page
