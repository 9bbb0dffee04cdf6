"""A page may send as fast as it likes: a bounded number is carried out, and the newest is not lost."""

from __future__ import annotations

import json

from livebragg_dashboards.server.inbox import MOST, MOST_KINDS, Inbox


def action(kind: str, n: int, **more: object) -> str:
    return json.dumps({"n": n, "kind": kind, **more})


def test_a_hand_is_never_too_fast() -> None:
    inbox = Inbox()
    for turn in range(20):
        assert inbox.next_turn() == []
        assert all(inbox.take(action("step", turn * MOST + k)) for k in range(MOST))
    assert inbox.dropped == 0


def test_of_a_burst_the_last_of_each_kind_is_carried_out_in_the_next_turn() -> None:
    inbox = Inbox()
    taken = sum(inbox.take(action("hover" if n % 2 else "image", n)) for n in range(1000))
    assert taken == MOST
    assert [json.loads(text)["n"] for text in inbox.next_turn()] == [998, 999]
    assert inbox.dropped == 1000 - MOST - 2
    assert inbox.next_turn() == []


def test_acts_of_different_things_do_not_replace_each_other() -> None:
    inbox = Inbox()
    for n in range(MOST):
        inbox.take(action("hover", n))
    for what in ("save", "mark"):
        assert not inbox.take(action("do", 99, what=what))
    assert [json.loads(text)["what"] for text in inbox.next_turn()] == ["save", "mark"]


def test_neither_garbage_nor_ever_new_kinds_fill_the_memory() -> None:
    inbox = Inbox()
    for _ in range(MOST):
        inbox.take("")
    for text in ("", "[1]", "{", '{"kind": 3}', "[" * 5000, '{"kind": "x", "y": "' + "z" * 5000 + '"}'):
        assert not inbox.take(text)
    assert inbox.dropped == 6
    for n in range(10 * MOST_KINDS):
        inbox.take(action(f"kind {n}", n))
    assert len(inbox.next_turn()) == MOST_KINDS
