"""Faults on purpose: the ones that were asked for, as often, and the same again."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from livebragg.errors import ConfigError
from livebragg_simulators.faults.faulty_outlet import FaultyOutlet
from livebragg_simulators.faults.plan import Faults

MESSAGES = [[b"head %d" % k, b"body" * 5] for k in range(400)]


class Sink:
    """Takes a message only every second time."""

    endpoint = "tcp://nowhere:1"

    def __init__(self) -> None:
        self.got: list[list[Any]] = []
        self.asked = 0

    def offer(self, parts: list[Any]) -> bool:
        self.asked += 1
        if self.asked % 2:
            return False
        self.got.append(parts)
        return True

    def settle(self) -> bool:
        return True

    def linger(self, seconds: float) -> None: ...

    def reopen(self) -> None: ...

    def close(self) -> None: ...


def sent(seed: int = 1, **rates: float) -> tuple[list[list[Any]], FaultyOutlet]:
    sink = Sink()
    outlet = FaultyOutlet(sink, Faults(rates, seed))
    for parts in MESSAGES:
        while not outlet.offer(parts):
            pass
    outlet.close()
    return sink.got, outlet


def test_without_faults_everything_arrives_in_order() -> None:
    got, outlet = sent()
    assert got == MESSAGES
    assert not +outlet.counters


def test_dropped_messages_are_missing_and_the_others_in_order() -> None:
    got, outlet = sent(drop=0.1)
    assert len(got) == 400 - outlet.counters["drop"]
    assert 20 < outlet.counters["drop"] < 70
    assert got == [m for m in MESSAGES if m in got]


def test_doubled_messages_come_twice_at_once() -> None:
    got, outlet = sent(duplicate=0.1)
    assert len(got) == 400 + outlet.counters["duplicate"]
    assert sum(a == b for a, b in itertools.pairwise(got)) == outlet.counters["duplicate"] > 0


def test_overtaken_messages_are_late_and_none_is_lost() -> None:
    got, outlet = sent(reorder=0.1)
    assert outlet.counters["reorder"] > 0
    assert got != MESSAGES
    assert sorted(got) == sorted(MESSAGES)


def test_bursts_keep_the_order_and_the_last_one_leaves_before_closing() -> None:
    got, outlet = sent(burst=0.02)
    assert outlet.counters["burst"] > 0
    assert got == MESSAGES


def test_what_was_kept_back_leaves_when_nothing_follows_for_now() -> None:
    sink = Sink()
    outlet = FaultyOutlet(sink, Faults({"reorder": 1.0, "burst": 1.0}))
    assert outlet.offer(MESSAGES[0])
    assert not sink.got
    while not outlet.settle():
        pass
    assert sink.got == MESSAGES[:1]


def test_a_message_is_taken_only_once_it_is_on_its_way() -> None:
    sink = Sink()
    outlet = FaultyOutlet(sink, Faults({"duplicate": 1.0}))
    tries = 1
    while not outlet.offer(MESSAGES[0]):
        tries += 1
    assert sink.got == [MESSAGES[0]] * 2
    assert tries > 1


def test_what_waits_dies_with_a_sender_that_starts_anew() -> None:
    sink = Sink()
    outlet = FaultyOutlet(sink, Faults({"reorder": 1.0}))
    assert outlet.offer(MESSAGES[0])
    outlet.reopen()
    outlet.close()
    assert not sink.got


@pytest.mark.parametrize("kind", ["truncate", "corrupt"])
def test_damaged_messages_are_as_many_as_were_asked_for(kind: str) -> None:
    got, outlet = sent(**{kind: 0.2})
    changed = sum(a != b for a, b in zip(got, MESSAGES, strict=True))
    assert changed == outlet.counters[kind] > 40


def test_the_same_seed_makes_the_same_faults() -> None:
    rates = {"drop": 0.1, "duplicate": 0.1, "corrupt": 0.1, "reorder": 0.1}
    assert sent(3, **rates)[0] == sent(3, **rates)[0]
    assert sent(3, **rates)[0] != sent(4, **rates)[0]


@pytest.mark.parametrize("text", ["lose=0.1", "drop=2", "drop=-1", "drop", "drop=often", "drop=nan", ""])
def test_a_fault_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--fault"):
        Faults.parse([text], 0)
