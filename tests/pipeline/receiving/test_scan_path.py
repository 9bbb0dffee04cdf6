"""From image numbers to positions: what is configured, what is announced, and series of several scans."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import dectris_messages as made
from dectris_stream import Stream, piece_of
from livebragg.config.pipeline import ScanConfig, StreamConfig
from livebragg.config.schema import Config
from livebragg.detectors import Decoded, KeptFrames, decode_kept
from livebragg.errors import ConfigError
from livebragg.model import Acquisition, ScanGeometry, ScanOrder
from livebragg.pipeline.receiving.scan_path import RepeatedScans, scan_geometry
from livebragg.wire.messages import AcquisitionEnd, AcquisitionStart, EndReason

FRAMES = made.frames(16, 8, 9)
NOTICES: list[str] = []


def acquisition(**facts: Any) -> Acquisition:
    return Acquisition(acquisition_id="a", frame_shape=(8, 9), dtype="uint16", **{"scan_shape": None} | facts)


def test_what_is_configured_overrides_what_the_sender_says() -> None:
    announced = acquisition(scan_shape=(4, 5), flyback_frames=3, scan_order=ScanOrder.SNAKE, frames_per_position=2)
    assert scan_geometry(ScanConfig(), announced) == ScanGeometry(
        scan_shape=(4, 5), flyback_frames=3, scan_order=ScanOrder.SNAKE, frames_per_position=2
    )
    config = ScanConfig(
        shape=(2, 3),
        order="raster",
        frames_per_position=1,
        flyback_frames=0,
        first_frame=2,
        missed_triggers=(3, 3),
    )
    assert scan_geometry(config, announced) == ScanGeometry(
        scan_shape=(2, 3), first_frame=2, missed_triggers=(3, 3)
    )
    assert scan_geometry(ScanConfig(), acquisition()).open_ended


@pytest.mark.parametrize(
    ("facts", "index"),
    [
        ({}, [0, 1, 2, 3, 4, 5, -1, -1]),
        ({"scan_order": ScanOrder.SNAKE}, [0, 1, 2, 5, 4, 3, -1, -1]),
        ({"flyback_frames": 1}, [0, 1, 2, -1, 3, 4, 5, -1]),
        ({"first_frame": 2}, [-1, -1, 0, 1, 2, 3, 4, 5]),
        ({"first_frame": -2}, [2, 3, 4, 5, -1, -1, -1, -1]),
        ({"missed_triggers": (1,)}, [0, 2, 3, 4, 5, -1, -1, -1]),
        ({"missed_triggers": (0, 2, 2)}, [1, 2, 5, -1, -1, -1, -1, -1]),
        ({"missed_triggers": (3,), "flyback_frames": 1}, [0, 1, 2, 3, 4, 5, -1, -1]),
        ({"frames_per_position": 2, "first_frame": 1}, [-1, 0, 0, 1, 1, 2, 2, 3]),
        ({"open_ended": True}, [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
    ids=str,
)
def test_frames_lie_where_the_beam_was(facts: dict[str, Any], index: list[int]) -> None:
    geometry = ScanGeometry(scan_shape=(2, 3), **facts)
    assert geometry.scan_index(np.arange(8)).tolist() == index
    split = [geometry.splits_position(k) for k in range(1, 8)]
    assert split == [a == b and a >= 0 for a, b in itertools.pairwise(index)]


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "spiral"},
        {"frames_per_position": 0},
        {"flyback_frames": -1},
        {"frames_between_scans": -1},
        {"missed_triggers": (5, 3)},
        {"missed_triggers": (-1,)},
        {"first_frame": 1 << 60},
    ],
    ids=str,
)
def test_a_scan_that_cannot_be_is_refused_by_its_key(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"scan\.{next(iter(changes))}"):
        ScanConfig(**changes)


# --------------------------------------------------------------------------------------- scan after scan
def series(numbers: range | list[int], batch_frames: int = 32) -> list[Decoded]:
    stream = Stream(batch_frames=batch_frames).take(made.start(8, 9, 1_000_000))
    stream.take(*(made.image(n, FRAMES[n % 16]) for n in numbers), made.end())
    return stream.out


def told(messages: list[Decoded]) -> list[str]:
    """The messages in short."""
    words = []
    for message in messages:
        if isinstance(message, AcquisitionStart):
            words.append(f"start {message.acquisition.acquisition_id} {message.n_frames}")
        elif isinstance(message, KeptFrames):
            words.append(f"{message.acquisition_id} {message.first_frame}+{message.n_frames}")
        elif isinstance(message, AcquisitionEnd):
            words.append(f"end {message.acquisition_id} {message.frames_sent}")
    return words


def repeated(messages: list[Decoded], **config: Any) -> tuple[RepeatedScans, list[Decoded]]:
    scans = RepeatedScans(ScanConfig(**{"shape": (2, 3), "repeat": True} | config), NOTICES.append)
    return scans, [out for message in messages for out in scans.handle(message)]


def test_without_repeat_nothing_is_changed() -> None:
    messages = series(range(16))
    assert repeated(messages, repeat=False)[1] == messages
    assert repeated(messages, shape=None)[1] == messages


@pytest.mark.parametrize("batch_frames", [1, 4, 32])
def test_each_scan_of_a_series_is_an_acquisition_with_its_own_frames(batch_frames: int) -> None:
    scans, out = repeated(series(range(16), batch_frames), frames_between_scans=1)
    acquisitions = {m.acquisition.acquisition_id: m.acquisition for m in out if isinstance(m, AcquisitionStart)}
    assert list(acquisitions) == ["series-7", "series-7-scan-2", "series-7-scan-3"]
    assert scans.counters["frames_between_scans"] == 2
    read: dict[str, list[np.ndarray]] = {name: [] for name in acquisitions}
    for kept in (m for m in out if isinstance(m, KeptFrames)):
        frames, failed = decode_kept(b"".join(kept.parts), piece_of(kept), acquisitions[kept.acquisition_id])
        assert not failed
        assert kept.first_frame == len(read[kept.acquisition_id])
        read[kept.acquisition_id] += list(frames)
    assert np.array_equal(read["series-7"], FRAMES[0:6])
    assert np.array_equal(read["series-7-scan-2"], FRAMES[7:13])
    assert np.array_equal(read["series-7-scan-3"], FRAMES[14:16])
    ends = [m for m in out if isinstance(m, AcquisitionEnd)]
    assert [e.frames_sent for e in ends] == [6, 6, 2]
    assert ends[-1].reason is EndReason.STOPPED


def test_images_lost_between_scans_do_not_shift_the_next_one() -> None:
    _, out = repeated(series([0, 1, 2, 8, 9]))
    assert told(out) == [
        "start series-7 6",
        "series-7 0+3",
        "end series-7 6",
        "start series-7-scan-2 6",
        "series-7-scan-2 2+2",
        "end series-7-scan-2 4",
    ]


def test_attaching_in_the_middle_begins_with_the_scan_under_way() -> None:
    _, out = repeated(series(range(6002, 6008)))
    assert told(out)[0] == "start series-7-scan-1001 6"
    assert told(out)[1] == "series-7-scan-1001 2+4"


def test_one_damaged_number_opens_no_scan_far_away_and_costs_one_image() -> None:
    scans, out = repeated(series([0, 1, 70_001, 2, 3, 4, 5, 6, 7]))
    assert told(out) == [
        "start series-7 6",
        "series-7 0+2",
        "series-7 2+4",
        "end series-7 6",
        "start series-7-scan-2 6",
        "series-7-scan-2 0+2",
        "end series-7-scan-2 2",
    ]
    assert scans.counters["frames_misnumbered"] == 1
    assert "image 70001 lies in a later scan" in NOTICES[-1]


def test_a_scan_that_is_lost_whole_is_left_out_and_the_first_image_after_it_is_kept() -> None:
    scans, out = repeated(series([0, 1, 20, 22, 23], batch_frames=1))
    assert "start series-7-scan-4 6" in told(out)
    assert [word for word in told(out) if word.startswith("series-7-scan-4")] == [
        "series-7-scan-4 2+1",
        "series-7-scan-4 4+1",
        "series-7-scan-4 5+1",
    ]
    assert scans.counters["frames_misnumbered"] == 0


def test_single_images_that_follow_each_other_open_the_next_scan_at_once() -> None:
    _, out = repeated(series(range(7), batch_frames=1)[:-1])
    assert told(out)[-1] == "series-7-scan-2 0+1"


def test_repeat_without_a_shape_is_said() -> None:
    scans, out = repeated(series(range(3)), shape=None)
    assert told(out)[0] == "start series-7 1000000"
    assert "scan.repeat needs the shape of a scan" in NOTICES[-1]
    assert not scans.counters


def test_repeat_is_refused_for_the_native_stream() -> None:
    config = Config(scan=ScanConfig(repeat=True))
    with pytest.raises(ConfigError, match=r"scan\.repeat divides the series of a detector"):
        config.check()
    replace(config, stream=StreamConfig(detector="dectris")).check()


def test_a_series_without_images_is_announced_and_ended() -> None:
    assert told(repeated(series([]))[1]) == ["start series-7 6", "end series-7 0"]


def test_late_images_of_an_earlier_scan_keep_their_name() -> None:
    _, out = repeated(series([0, 6, 1]))
    assert "series-7 1+1" in told(out)
