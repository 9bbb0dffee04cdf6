"""The model through which server and browser talk: one message down, acknowledgements and actions up."""

from __future__ import annotations

from typing import Any

from bokeh.core.properties import Any as Anything
from bokeh.core.properties import Int, String
from bokeh.model import DataModel


class Link(DataModel):
    """Lives in every session's document; ``templates/page.js`` holds the other end."""

    news: Any = Anything(default=None)
    """``texts``: all texts of the page with the number of the update, as JSON; ``columns``: what changed.
    Written by the server."""
    ack: Any = Int(default=0)
    """Number of the newest update that was drawn; written by the browser."""
    action: Any = String(default="")
    """What the viewer did, as JSON with a running number; written by the browser."""
