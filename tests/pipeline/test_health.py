"""Warnings and rates."""

from __future__ import annotations

import logging

import pytest

from livebragg.pipeline.health import MAX_NOTICES, Notices, RateMeter


def test_a_repeated_warning_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices()
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            notices.add("the log is full")
        notices.add("a worker died")
    assert notices.snapshot() == ["the log is full (1000 times)", "a worker died"]
    assert [r.message for r in caplog.records] == ["the log is full", "a worker died"]


def test_warnings_that_differ_in_their_numbers_only_are_one_with_the_newest_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notices = Notices()
    with caplog.at_level(logging.WARNING):
        for frame in range(0, 32_000, 32):
            notices.add(f"frames {frame} and on: crc32 of the payload is {frame * 977:#x}")
    assert notices.snapshot() == ["frames 31968 and on: crc32 of the payload is 0x1dc92e0 (1000 times)"]
    assert len(caplog.records) == 1, "a stream of damaged frames must not fill the log file"


def test_only_the_newest_warnings_are_kept_and_a_forgotten_one_begins_again() -> None:
    notices = Notices()
    words = [f"warning {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(MAX_NOTICES + 10)]
    for word in words:
        notices.add(word)
    assert notices.snapshot() == words[10:]
    notices.add(words[0])
    assert notices.snapshot() == [*words[11:], words[0]]


def test_the_rate_is_the_mean_over_the_window() -> None:
    meter = RateMeter(window_s=2.0)
    for step in range(100):
        meter.add(10 + step * 0.1, 5)
    assert meter.rate(20.0) == pytest.approx(50, rel=0.06)


def test_the_rate_falls_to_zero_when_nothing_comes_any_more() -> None:
    meter = RateMeter(window_s=2.0)
    meter.add(10.0, 100)
    assert meter.rate(11.0) == pytest.approx(100)
    assert meter.rate(12.5) == 0.0
    assert RateMeter().rate(5.0) == 0.0


def test_the_first_frames_do_not_make_an_endless_rate() -> None:
    meter = RateMeter()
    meter.add(10.0, 32)
    assert meter.rate(10.0) <= 32 / 0.25


def test_warnings_since_a_moment_are_those_that_came_again_or_anew() -> None:
    notices = Notices()
    notices.add("a checksum was wrong")
    notices.add("a worker died")
    mark = notices.mark()
    assert notices.since(mark) == []
    notices.add("a worker died")
    notices.add("frames never came")
    assert notices.since(mark) == ["a worker died (2 times)", "frames never came"]
    assert len(notices.snapshot()) == 3
