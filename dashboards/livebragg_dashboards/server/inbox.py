"""What one browser sends, bounded: a page that sends without end must not hold up the others."""

from __future__ import annotations

from livebragg_dashboards.viewing.actions import read_action

MOST = 30
"""Actions carried out as they come in one turn; a hand makes a few."""
MOST_KINDS = 30
"""Kinds of which the newest is kept for the next turn."""


class Inbox:
    """Actions of one page, so many in each turn of the session; of those beyond, the newest of each kind counts.

    Examples
    --------
    >>> inbox = Inbox()
    >>> [inbox.take('{"kind": "hover"}') for _ in range(MOST + 5)].count(True)
    30
    >>> inbox.next_turn(), inbox.dropped
    (['{"kind": "hover"}'], 4)
    """

    def __init__(self) -> None:
        self.dropped = 0
        """Actions that were left out."""
        self._taken = 0
        self._late: dict[str, str] = {}

    def take(self, text: str) -> bool:
        """Whether an action is to be carried out now."""
        self._taken += 1
        if self._taken <= MOST:
            return True
        kind = _kind_of(text)
        self.dropped += kind is None or kind in self._late or len(self._late) >= MOST_KINDS
        if kind is not None and (kind in self._late or len(self._late) < MOST_KINDS):
            self._late.pop(kind, None)  # the newest comes last
            self._late[kind] = text
        return False

    def next_turn(self) -> list[str]:
        """Begin a turn: what was left over from the last one is to be carried out."""
        late = list(self._late.values())
        self._late.clear()
        self._taken = len(late)
        return late


def _kind_of(text: str) -> str | None:
    """Kind of an action; of those that "do" something, with what; ``None`` where it is none."""
    action = read_action(text)
    if not isinstance(action.get("kind"), str):
        return None
    return f"{action['kind']} {action.get('what', '')}"[:60]
