"""What goes to the browser with the next update, in one message: many small ones cost more than what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_SMALL = 256
"""Values up to which an array travels as a list within the message; a larger one has a part of its own."""


class Outbox:
    """Keeps columns until a browser has drawn them: a page that is just being opened misses the first updates.

    Examples
    --------
    >>> outbox = Outbox()
    >>> outbox.put("peaks", {"x": np.array([1.0, 2.0])})
    >>> outbox.columns
    {'peaks': {'x': [1.0, 2.0]}}
    >>> outbox.drawn()
    >>> outbox.columns
    {}
    """

    def __init__(self) -> None:
        self._columns: dict[str, dict[str, Any]] = {}

    @property
    def columns(self) -> dict[str, dict[str, Any]]:
        """By source, what was put in and not drawn yet."""
        return dict(self._columns)

    def put(self, source: str, columns: Mapping[str, Any]) -> None:
        """Replace the columns of a source."""
        self._columns[source] = {name: _light(column) for name, column in columns.items()}

    def drawn(self) -> None:
        """The browser has drawn the last update, and with it all that was put in."""
        self._columns.clear()


def _light(column: Any) -> Any:
    small = isinstance(column, np.ndarray) and column.ndim == 1 and column.size <= _SMALL
    return column.tolist() if small else column
