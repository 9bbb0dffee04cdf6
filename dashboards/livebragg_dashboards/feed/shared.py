"""What several pages show alike, made once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

_VARIANTS = 6
"""Of each kind that are kept: viewers choose different virtual images and scales."""


class Shared:
    """Keeps the newest things of each kind by what they were made from.

    Examples
    --------
    >>> shared = Shared()
    >>> shared.keep("map", (1, "log"), lambda: "made")
    'made'
    >>> shared.keep("map", (1, "log"), lambda: "made again")
    'made'
    """

    def __init__(self) -> None:
        self._kept: dict[str, deque[tuple[Any, Any]]] = {}

    def keep(self, kind: str, key: Any, make: Callable[[], Any]) -> Any:
        """The thing made for an equal key, made now if there is none."""
        kept = self._kept.setdefault(kind, deque(maxlen=_VARIANTS))
        for known, thing in kept:
            if known == key:
                return thing
        thing = make()
        kept.appendleft((key, thing))
        return thing
