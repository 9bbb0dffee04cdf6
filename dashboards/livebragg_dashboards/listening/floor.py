"""Who may act: one viewer at a time, the others see who. No clock here: times come in as arguments."""

from __future__ import annotations

from dataclasses import dataclass

IDLE_S = 300.0
"""Time without an act after which another viewer may take over."""


@dataclass(slots=True)
class _Holder:
    owner: str
    name: str
    active_at: float


class Floor:
    """Control over one pipeline, for all pages of this server. Used by the server's own thread only.

    Examples
    --------
    >>> floor = Floor()
    >>> floor.take("a", "Ada", now=0.0), floor.take("b", "Bo", now=10.0), floor.take("b", "Bo", now=310.0)
    (True, False, True)
    """

    def __init__(self) -> None:
        self._holder: _Holder | None = None

    @property
    def holder(self) -> str:
        """Name of who has control; empty when nobody has."""
        return "" if self._holder is None else self._holder.name

    def held_by(self, owner: str) -> bool:
        """Whether this session has control."""
        return self._holder is not None and self._holder.owner == owner

    def may_take(self, now: float) -> bool:
        """Whether control is free: nobody has it, or who has it did nothing for long."""
        return self._holder is None or now - self._holder.active_at >= IDLE_S

    def take(self, owner: str, name: str, now: float) -> bool:
        """Take control if it is free; false when another viewer has it."""
        if not self.held_by(owner) and not self.may_take(now):
            return False
        self._holder = _Holder(owner, name, now)
        return True

    def touch(self, owner: str, now: float) -> None:
        """The holder did something."""
        if self._holder is not None and self._holder.owner == owner:
            self._holder.active_at = now

    def release(self, owner: str) -> None:
        """Give control back; nothing happens when another viewer has it."""
        if self.held_by(owner):
            self._holder = None
