"""When the probe is measured, and from which frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch_stories import PROBE
from livebragg.config.detection import ProbeConfig
from livebragg.pipeline.probe_finder import MAX_PROBE_FRAMES, ProbeFinder, fixed_probe
from livebragg.wire.messages import ChecksumKind, Encoding, Piece


def piece(first: int, n: int) -> Piece:
    return Piece(
        first_frame=first, n_frames=n, segment=0, offset=0, nbytes=1, encoding=Encoding.RAW,
        checksum_kind=ChecksumKind.NONE, checksum=0, sent_at=0.0,
    )  # fmt: skip


def finder(*sizes: int) -> ProbeFinder:
    made = ProbeFinder(wanted_frames=16, wait_s=1.0, opened_at=100.0)
    for k, n in enumerate(sizes):
        made.add(piece(100 * k, n))
    return made


@pytest.mark.parametrize("left_out", ["radius", "edge_width", "center"])
def test_a_probe_is_only_fixed_when_nothing_is_left_to_measure(left_out: str) -> None:
    whole = {"radius": 3.0, "edge_width": 0.5, "center": (4.0, 5.0)}
    probe = fixed_probe(ProbeConfig(**whole))  # type: ignore[arg-type]
    assert probe is not None
    assert (probe.radius, probe.edge_width, probe.center) == (3.0, 0.5, (4.0, 5.0))
    del whole[left_out]
    assert fixed_probe(ProbeConfig(**whole)) is None  # type: ignore[arg-type]


def test_it_waits_for_enough_frames_or_enough_time_or_the_end() -> None:
    assert finder(8).pieces_to_measure(100.9, ended=False) is None
    assert len(finder(8, 8).pieces_to_measure(100.0, ended=False) or []) == 2
    assert len(finder(8).pieces_to_measure(101.1, ended=False) or []) == 1
    assert len(finder(8).pieces_to_measure(100.0, ended=True) or []) == 1
    assert finder().pieces_to_measure(200.0, ended=True) is None


def test_nothing_is_measured_twice_at_a_time_or_from_the_same_frames() -> None:
    search = finder(16)
    search.asked(-1)
    assert search.pieces_to_measure(200.0, ended=True) is None
    assert not search.needs_more
    assert search.answered(None, "no beam", 101.0)
    assert search.pieces_to_measure(200.0, ended=True) is None
    assert search.needs_more
    search.add(piece(900, 1))
    assert not search.needs_more
    assert search.pieces_to_measure(101.5, ended=False) is None
    assert len(search.pieces_to_measure(102.1, ended=False) or []) == 2


def test_a_lost_measurement_is_asked_again_and_counted() -> None:
    search = finder(16)
    for losses in (1, 2, 3):
        search.asked(-losses)
        assert search.lost() == losses
        assert not search.is_asked(-losses)
        assert search.pieces_to_measure(100.0, ended=False) is not None
    search.begin_again("workers were lost")
    search.give_up()
    assert search.failed == "workers were lost"


def test_hopeless_frames_are_forgotten_and_the_search_begins_again() -> None:
    search = finder(MAX_PROBE_FRAMES)
    search.asked(-1)
    assert not search.answered(None, "no beam", 101.0)
    search.add(piece(5000, 16))
    pieces = search.pieces_to_measure(101.0, ended=False)
    assert [p.first_frame for p in pieces or []] == [5000]


def test_it_gives_up_only_when_everything_was_tried() -> None:
    search = finder(4)
    search.give_up()
    assert search.failed == ""
    search.asked(-1)
    search.give_up()
    assert search.failed == ""
    search.answered(None, "no beam", 100.5)
    search.give_up()
    assert search.failed == "no beam"
    empty = finder()
    empty.give_up()
    assert empty.failed == "no frame came"


def test_a_found_probe_ends_the_search() -> None:
    search = finder(16)
    search.asked(-1)
    search.answered(PROBE, "", 100.5)
    search.add(piece(900, 64))
    search.give_up()
    assert (search.probe, search.failed) == (PROBE, "")
    assert search.pieces_to_measure(300.0, ended=True) is None


@given(st.lists(st.integers(1, 300), max_size=40))
def test_it_never_remembers_more_than_it_will_try(sizes: list[int]) -> None:
    search = finder(*sizes)
    assert sum(p.n_frames for p in search._pieces) < MAX_PROBE_FRAMES + 300
