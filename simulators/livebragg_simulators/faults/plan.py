"""Faults on purpose: which of them happen, and how often; the same in every run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from livebragg.errors import ConfigError


class MessageFault(StrEnum):
    """What may happen to each message."""

    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    TRUNCATE = "truncate"
    CORRUPT = "corrupt"
    PAUSE = "pause"
    BURST = "burst"


class ScanFault(StrEnum):
    """What may happen to each acquisition, somewhere in its middle; at most one of them does."""

    NO_END = "no-end"
    EARLY_END = "early-end"
    ABORT = "abort"
    DOUBLE_START = "double-start"
    WRONG_SHAPE = "wrong-shape"
    RECONNECT = "reconnect"
    RESTART = "restart"


KINDS: tuple[str, ...] = (*MessageFault, *ScanFault)


@dataclass(slots=True)
class Faults:
    """Which faults happen, and how often.

    Parameters
    ----------
    rates : dict
        Kind of fault (of `KINDS`) to its probability for each message or acquisition.
    seed : int
        The same seed makes the same faults at the same places.
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
    def parse(cls, texts: Sequence[str], seed: int) -> Faults:
        """Faults of arguments such as ``drop=0.01``."""
        rates = {}
        for text in texts:
            kind, _, rate = text.partition("=")
            try:
                rates[kind] = float(rate)
            except ValueError:
                raise ConfigError(f"--fault {text!r} is no fault; write KIND=PROBABILITY, as drop=0.01") from None
        return cls(rates, seed)

    def of(self, kinds: type[MessageFault] | type[ScanFault]) -> Dice:
        """Dice for faults of one sort; they do not depend on how often others are thrown."""
        rates = {str(kind): self.rates[kind] for kind in kinds if self.rates.get(kind)}
        return Dice(rates, random.Random(f"{self.seed} {kinds.__name__}"))


@dataclass(slots=True)
class Dice:
    """Decides whether something happens."""

    rates: dict[str, float]
    """Without those that never happen."""
    random: random.Random

    def happens(self, kind: str) -> bool:
        """Whether it happens this time."""
        rate = self.rates.get(kind, 0.0)
        return rate > 0 and self.random.random() < rate
