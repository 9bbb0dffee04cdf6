"""Which acquisition what is counted and said belongs to."""

from __future__ import annotations

from collections import Counter

from livebragg.pipeline.health import Notices
from livebragg.pipeline.receiving.account import Account


def test_what_is_refused_between_two_acquisitions_belongs_to_the_second() -> None:
    counts: Counter[str] = Counter()
    notices = Notices()
    account = Account([counts], notices)
    counts["messages_malformed"] += 1
    notices.add("before the first")
    account.opened(1)
    counts["messages_malformed"] += 2
    notices.add("in the first")
    account.ended(1)
    counts["messages_malformed"] += 4
    counts["messages_SequenceError"] += 4
    account.opened(2)
    notices.add("in the second")
    assert counts == {"messages_malformed": 4, "messages_SequenceError": 4}
    counters, words = account.settled(1)
    assert counters == {"messages_malformed": 3.0, "messages_SequenceError": 0.0}
    assert words[:2] == ["before the first", "in the first"]
    account.ended(2)
    assert account.settled(2) == ({"messages_malformed": 4.0, "messages_SequenceError": 4.0}, ["in the second"])


def test_a_worker_s_end_belongs_to_the_newest_acquisition_also_after_the_last_frame() -> None:
    counts: Counter[str] = Counter(messages_received=3)
    account = Account([counts], Notices())
    account.opened(1)
    account.ended(1)
    counts["worker_restarts"] += 1
    assert account.settled(1)[0] == {"messages_received": 3.0}
    assert counts["worker_restarts"] == 1  # until the next begins
    account.opened(2)
    assert counts["worker_restarts"] == 0
