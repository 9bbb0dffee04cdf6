"""What a network may do to messages on their way out."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from livebragg_simulators.faults.plan import Dice, Faults, MessageFault
from livebragg_simulators.outlets import LINGER_S, Outlet, settle_for

PAUSE_S = 0.5
BURST_MESSAGES = 64
"""Messages that are kept back to leave at once."""


@dataclass(slots=True)
class FaultyOutlet:
    """An outlet that does to messages what it is told; see `Outlet`."""

    outlet: Outlet
    faults: Faults
    counters: Counter[str] = field(default_factory=Counter)
    """Faults done, by kind."""
    _dice: Dice = field(init=False)
    _waiting: list[list[Any]] = field(default_factory=list)
    """Messages on their way out: more than one after a duplicate, an overtaken message or a burst."""
    _overtaken: list[Any] | None = None
    _taken: list[Any] | None = None
    """The message that was offered last, while some of what became of it is on its way."""
    _gathering: int = 0
    """Messages to come until a burst leaves."""
    _linger_s: float = LINGER_S

    def __post_init__(self) -> None:
        self._dice = self.faults.of(MessageFault)

    @property
    def endpoint(self) -> str:
        """See `Outlet.endpoint`."""
        return self.outlet.endpoint

    def offer(self, parts: list[Any]) -> bool:
        """See `Outlet.offer`: the message is taken once all that became of it is on its way, or kept back."""
        if parts is not self._taken:
            if not self._flush():
                return False
            self._waiting += self._turn(self._spoil(parts))
            self._taken = parts
        if not self._flush():
            return False
        self._taken = None
        return True

    def settle(self) -> bool:
        """See `Outlet.settle`: nothing is kept back any longer."""
        self._gathering = 0
        self._waiting += [] if self._overtaken is None else [self._overtaken]
        self._overtaken = None
        return self._flush() and self.outlet.settle()

    def linger(self, seconds: float) -> None:
        """See `Outlet.linger`."""
        self._linger_s = seconds
        self.outlet.linger(seconds)

    def reopen(self) -> None:
        """See `Outlet.reopen`: what waits dies with the sender."""
        self._waiting, self._overtaken, self._taken, self._gathering = [], None, None, 0
        self.outlet.reopen()

    def close(self) -> None:
        """See `Outlet.close`."""
        settle_for(self, self._linger_s)
        self.outlet.close()

    def _flush(self) -> bool:
        """Send what waits, unless more is to leave with it; False when something of it cannot."""
        if self._gathering:
            return True
        while self._waiting and self.outlet.offer(self._waiting[0]):
            del self._waiting[0]
        return not self._waiting

    def _happens(self, kind: MessageFault) -> bool:
        happens = self._dice.happens(kind)
        self.counters[kind] += happens
        return happens

    def _spoil(self, parts: list[Any]) -> list[list[Any]]:
        """What becomes of a message."""
        if self._happens(MessageFault.PAUSE):
            time.sleep(PAUSE_S)
        if self._happens(MessageFault.DROP):
            return []
        if self._happens(MessageFault.TRUNCATE):
            last = bytes(parts[-1])
            parts = [*parts[:-1], last[: self._dice.random.randrange(len(last))]] if last else parts
        if self._happens(MessageFault.CORRUPT):
            parts = self._corrupted(parts)
        return [parts, parts] if self._happens(MessageFault.DUPLICATE) else [parts]

    def _corrupted(self, parts: list[Any]) -> list[Any]:
        """One bit is turned over."""
        which = self._dice.random.randrange(len(parts))
        damaged = bytearray(parts[which])
        if damaged:
            damaged[self._dice.random.randrange(len(damaged))] ^= 1 << self._dice.random.randrange(8)
        return [*parts[:which], bytes(damaged), *parts[which + 1 :]]

    def _turn(self, messages: list[list[Any]]) -> list[list[Any]]:
        """When it goes out: a message may be overtaken by the next one, or wait to leave with many others."""
        if self._gathering:
            self._gathering -= 1
        elif self._happens(MessageFault.BURST):
            self._gathering = BURST_MESSAGES - 1
        if self._overtaken is not None and messages:
            messages = [*messages, self._overtaken]
            self._overtaken = None
        elif messages and self._happens(MessageFault.REORDER):
            self._overtaken = messages.pop()
        return messages
