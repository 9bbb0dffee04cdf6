"""Nothing is sent to a browser that has not drawn what it has, and one that sleeps is not flooded."""

from __future__ import annotations

import pytest

from livebragg_dashboards.server.pacer import MAX_REST_S, MAX_TIMEOUT_S, TIMEOUT_S, Pacer


def test_the_next_update_waits_for_the_acknowledgement() -> None:
    pacer = Pacer()
    assert pacer.may_send(0.0)
    seq = pacer.sent(0.0)
    assert not pacer.may_send(0.9 * TIMEOUT_S)
    assert pacer.acknowledge(seq, 0.1)
    assert pacer.may_send(0.1)


@pytest.mark.parametrize(("took", "rest"), [(0.1, 0.0), (0.4, 0.4), (30.0, MAX_REST_S)])
def test_a_browser_that_draws_slowly_rests_for_as_long_as_it_drew(took: float, rest: float) -> None:
    pacer = Pacer()
    assert pacer.has_rested(0.0)
    pacer.acknowledge(pacer.sent(0.0), took)
    assert pacer.may_send(took)
    assert pacer.has_rested(took + rest) and pacer.has_rested(took + 0.99 * rest) == (rest == 0.0)


def test_also_the_first_update_times_out() -> None:
    pacer = Pacer()
    pacer.sent(0.0)
    assert pacer.may_send(TIMEOUT_S)


def test_an_old_acknowledgement_or_an_invented_one_frees_nothing() -> None:
    pacer = Pacer()
    first = pacer.sent(0.0)
    second = pacer.sent(TIMEOUT_S)
    for seq in (first, second + 1, -1):
        assert not pacer.acknowledge(seq, 1.1)
    assert not pacer.may_send(1.2)
    assert pacer.acknowledge(second, 1.2)
    assert not pacer.acknowledge(second, 1.3)


def test_a_page_that_never_answers_is_asked_ever_less_and_at_once_again_when_it_does() -> None:
    pacer, now, sent = Pacer(), 0.0, 0
    while now < 600.0:
        if pacer.may_send(now):
            seq = pacer.sent(now)
            sent += 1
        now += 0.04
    assert 600 / MAX_TIMEOUT_S <= sent <= 600 / MAX_TIMEOUT_S + 8
    assert pacer.unanswered == sent - 1
    pacer.acknowledge(seq, now)
    pacer.sent(now)
    assert pacer.may_send(now + TIMEOUT_S)


def test_ages_are_counted_from_the_arrival_of_the_data_to_the_drawing() -> None:
    pacer = Pacer()
    for k in range(10):
        pacer.acknowledge(pacer.sent(k * 0.5, data_at=k * 0.5 - 0.03), k * 0.5 + 0.05)
        pacer.acknowledge(pacer.sent(k * 0.5 + 0.1), k * 0.5 + 0.15)
    assert pacer.drawn_ages() == pytest.approx([0.08] * 10)
    assert pacer.rate_hz(5.0) == pytest.approx(2.0)
