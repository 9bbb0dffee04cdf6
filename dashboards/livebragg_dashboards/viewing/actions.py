"""What the browser sends: each action is one small JSON object with a ``kind``."""

from __future__ import annotations

import json
from typing import Any

MAX_ACTION = 4000
"""Characters of one action: a note and the endpoints of a pipeline fit in."""

Action = dict[str, Any]


def read_action(text: str) -> Action:
    """The action in a text; empty, so that nobody carries it out, when there is none.

    Examples
    --------
    >>> read_action('{"kind": "live"}'), read_action("[1]"), read_action("nonsense")
    ({'kind': 'live'}, {}, {})
    """
    try:
        action = json.loads(text) if len(text) <= MAX_ACTION else None
    except (ValueError, RecursionError):
        return {}
    return action if isinstance(action, dict) else {}
