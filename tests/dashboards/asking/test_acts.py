"""Acts on real sockets: in order, one at a time, each with an outcome, and never silence."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from fake_pipeline import FakePipeline

from livebragg.wire import sockets
from livebragg.wire.codec import decode
from livebragg.wire.messages import Accepted, Heartbeat, Refused, SaveRequest
from livebragg_dashboards.asking.acts import MAX_WAITING, ActClient, Outcome
from livebragg_dashboards.listening.hub import Hub


@pytest.fixture
def ends() -> Iterator[tuple[Any, ActClient]]:
    with sockets.context() as ctx:
        router = sockets.open_socket(ctx, sockets.ROUTER, bind="tcp://127.0.0.1:*", linger_ms=0)
        client = ActClient(ctx, sockets.bound_endpoint(router), timeout_s=0.3)
        yield router, client
        client.close()


def until(client: ActClient, router: Any = None) -> Any:
    """Outcomes of the client, or the next request at the pipeline."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        outcomes = client.step(time.monotonic())
        parts = sockets.receive_parts(router) if router is not None else None
        if parts is not None:
            return bytes(parts[0]), decode(parts[2:])
        if outcomes and router is None:
            return outcomes
        time.sleep(0.005)
    raise AssertionError("nothing came")


@pytest.mark.parametrize(
    ("reply", "done", "words"),
    [
        (Accepted(note="saved"), True, "saved"), (Refused(reason="no"), False, "no"),
        (Refused(reason=""), False, "without a reason"), (Heartbeat(), False, "another question"),
    ],
)  # fmt: skip
def test_each_act_gets_its_outcome_in_order(ends: Any, reply: Any, done: bool, words: str) -> None:
    router, client = ends
    assert client.ask("a", 4, SaveRequest(serial=1)) is None
    client.ask("b", 9, SaveRequest(serial=2))
    who, request = until(client, router)
    assert request == SaveRequest(serial=1) and sockets.receive_parts(router) is None
    sockets.send(router, reply, prefix=(who, b""))
    [(owner, outcome)] = until(client)
    assert (owner, outcome.number, outcome.done) == ("a", 4, done) and words in outcome.note
    assert until(client, router)[1] == SaveRequest(serial=2)


def test_silence_ends_with_words_that_do_not_claim_it_was_not_done(ends: Any) -> None:
    router, client = ends
    client.ask("a", 1, SaveRequest(serial=1))
    until(client, router)
    [(_, outcome)] = until(client)
    assert not outcome.done and "did not answer" in outcome.note and "not known" in outcome.note


def test_what_waits_is_bounded(ends: Any) -> None:
    _, client = ends
    outcomes = [client.ask("a", k, SaveRequest(serial=1)) for k in range(MAX_WAITING + 3)]
    assert [o is None for o in outcomes] == [True] * MAX_WAITING + [False] * 3
    refused = outcomes[-1]
    assert isinstance(refused, Outcome) and "try again" in refused.note


def test_the_hub_carries_acts_to_the_pipeline_and_a_session_that_leaves_gives_up_control(
    pipeline: FakePipeline,
) -> None:
    with Hub(pipeline.feed, pipeline.control) as hub:
        hub.floor.take("me", "Me", 0.0)
        hub.act("me", 1, SaveRequest(serial=1))
        end = time.monotonic() + 5
        while (outcome := hub.outcome("me")) is None and time.monotonic() < end:
            time.sleep(0.01)
        assert outcome == Outcome(1, True, "as you wish")
        assert hub.outcome("me") is None
        assert pipeline.acts.requests == [SaveRequest(serial=1)]
        hub.leave("me")
        assert hub.floor.holder == ""
