"""Faults on purpose: what a network, a detector or its software may do to a stream, the same in every run."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from livebragg.errors import ConfigError
from livebragg_simulators.outlets import Outlet

KINDS = ("drop", "duplicate", "reorder", "truncate", "corrupt", "pause")
PAUSE_S = 0.5


@dataclass(slots=True)
class Faults:
    """Which faults happen, and how often.

    Parameters
    ----------
    rates : dict
        Kind of fault (of `KINDS`) to its probability for each message.
    seed : int
        The same seed makes the same faults at the same messages.
    """

    rates: dict[str, float]
    seed: int = 0

    def __post_init__(self) -> None:
        for kind, rate in self.rates.items():
            if kind not in KINDS:
                raise ConfigError(f"--fault {kind!r} is not known; there are {', '.join(KINDS)}")
            if not 0 <= rate <= 1:
                raise ConfigError(f"--fault {kind}={rate}: the probability must be between 0 and 1")

    @classmethod
    def parse(cls, texts: list[str], seed: int) -> Faults:
        """Faults of arguments such as ``drop=0.01``."""
        rates = {}
        for text in texts:
            kind, _, rate = text.partition("=")
            try:
                rates[kind] = float(rate)
            except ValueError:
                raise ConfigError(f"--fault {text!r} is no fault; write KIND=PROBABILITY, as drop=0.01") from None
        return cls(rates, seed)


@dataclass(slots=True)
class FaultyOutlet:
    """An outlet that does to messages what it is told; see `Outlet`."""

    outlet: Outlet
    faults: Faults
    counters: Counter[str] = field(default_factory=Counter)
    """Faults done, by kind."""
    _rng: random.Random = field(init=False)
    _waiting: list[list[Any]] = field(default_factory=list)
    """Messages on their way out; more than one after a duplicate or a message that was overtaken."""
    _overtaken: list[Any] | None = None

    def __post_init__(self) -> None:
        self._rng = random.Random(self.faults.seed)

    @property
    def endpoint(self) -> str:
        """See `Outlet.endpoint`."""
        return self.outlet.endpoint

    def offer(self, parts: list[Any]) -> bool:
        """See `Outlet.offer`."""
        if not self._flush():
            return False
        self._waiting = self._spoil(parts)
        if self._overtaken is not None and self._waiting:
            self._waiting.append(self._overtaken)
            self._overtaken = None
        elif self._happens("reorder") and self._waiting:
            self._overtaken = self._waiting.pop()
        self._flush()
        return True

    def linger(self, seconds: float) -> None:
        """See `Outlet.linger`."""
        self.outlet.linger(seconds)

    def close(self) -> None:
        """See `Outlet.close`."""
        if self._overtaken is not None:
            self._waiting.append(self._overtaken)
        self._flush()
        self.outlet.close()

    def _flush(self) -> bool:
        while self._waiting and self.outlet.offer(self._waiting[0]):
            del self._waiting[0]
        return not self._waiting

    def _happens(self, kind: str) -> bool:
        rate = self.faults.rates.get(kind, 0.0)
        happens = rate > 0 and self._rng.random() < rate
        self.counters[kind] += happens
        return happens

    def _spoil(self, parts: list[Any]) -> list[list[Any]]:
        if self._happens("pause"):
            time.sleep(PAUSE_S)
        if self._happens("drop"):
            return []
        if self._happens("truncate"):
            last = bytes(parts[-1])
            parts = [*parts[:-1], last[: self._rng.randrange(len(last))]] if last else parts
        if self._happens("corrupt"):
            which = self._rng.randrange(len(parts))
            damaged = bytearray(parts[which])
            if damaged:
                damaged[self._rng.randrange(len(damaged))] ^= 1 << self._rng.randrange(8)
            parts = [*parts[:which], bytes(damaged), *parts[which + 1 :]]
        return [parts, parts] if self._happens("duplicate") else [parts]
