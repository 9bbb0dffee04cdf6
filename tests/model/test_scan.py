"""Which position a frame belongs to, and what an acquisition may be."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebragg.errors import FrameError
from livebragg.model import NO_POSITION, Acquisition, ScanGeometry, ScanMetadata, ScanOrder
from livebragg.model.scan import MAX_TEXT


def walk(rows: int, cols: int, per_position: int, flyback: int, order: ScanOrder) -> list[int]:
    """Scan index of each frame, by walking as the beam does."""
    walked: list[int] = []
    for row in range(rows):
        columns = range(cols)
        if order is ScanOrder.SNAKE and row % 2:
            columns = columns[::-1]
        for col in columns:
            walked += [row * cols + col] * per_position
        walked += [NO_POSITION] * flyback
    return walked


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 7), st.integers(1, 3), st.integers(0, 3), st.sampled_from(ScanOrder))
def test_every_frame_finds_the_position_the_beam_was_at(
    rows: int, cols: int, per_position: int, flyback: int, order: ScanOrder
) -> None:
    geometry = ScanGeometry(
        scan_shape=(rows, cols), frames_per_position=per_position, flyback_frames=flyback, scan_order=order
    )
    walked = walk(rows, cols, per_position, flyback, order)
    assert geometry.n_frames == len(walked)
    found = geometry.scan_index(np.arange(-5, len(walked) + 20))
    assert found.tolist() == [NO_POSITION] * 5 + walked + [NO_POSITION] * 20
    assert found.dtype == np.int64
    backwards = geometry.scan_index(np.arange(len(walked))[::-1])
    assert backwards.tolist() == walked[::-1]


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_a_position_is_split_exactly_between_two_of_its_frames(cols: int, per_position: int, flyback: int) -> None:
    geometry = ScanGeometry(scan_shape=(3, cols), frames_per_position=per_position, flyback_frames=flyback)
    walked = walk(3, cols, per_position, flyback, ScanOrder.RASTER)
    same = [a == b != NO_POSITION for a, b in pairwise(walked)]
    assert [geometry.splits_position(k) for k in range(1, len(walked))] == same
    assert not geometry.splits_position(0)


def test_a_scan_of_unknown_length_goes_on_in_lines() -> None:
    geometry = ScanGeometry(scan_shape=(1, 3), flyback_frames=1, scan_order=ScanOrder.SNAKE, open_ended=True)
    assert geometry.scan_index(np.arange(12)).tolist() == [0, 1, 2, -1, 5, 4, 3, -1, 6, 7, 8, -1]
    assert geometry.scan_index(np.array([-1])).tolist() == [NO_POSITION]


@pytest.mark.parametrize(
    "bad", [{"scan_shape": (0, 3)}, {"scan_shape": (3, -1)}, {"frames_per_position": 0}, {"flyback_frames": -1}]
)
def test_an_impossible_geometry_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(FrameError, match="at least 1, fly-back frames"):
        ScanGeometry(**{"scan_shape": (2, 3), **bad})


def acquisition(**changes: Any) -> Acquisition:
    fields = {"acquisition_id": "a", "scan_shape": (2, 3), "frame_shape": (4, 5), "dtype": "uint16", **changes}
    return Acquisition(**fields)


def test_the_size_of_a_frame_follows_from_its_shape_and_type() -> None:
    assert acquisition().frame_bytes == 40
    assert acquisition(dtype="float64", frame_shape=(1, 1)).frame_bytes == 8


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"acquisition_id": ""}, "1 to 200 printable"),
        ({"acquisition_id": "a\tb"}, r"not 'a\\tb'"),
        ({"frame_shape": (0, 5)}, r"1 and 16384 pixels, not \(0, 5\)"),
        ({"dtype": ">u2"}, "'>u2' is not supported; send one of uint8"),
        ({"scan_shape": (1 << 14, 1 << 14)}, "at most 16777216 positions"),
        ({"frames_per_position": 65537}, "1 to 65536"),
        ({"flyback_frames": (1 << 20) + 1}, "0 to 1048576"),
    ],
)
def test_an_impossible_acquisition_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(FrameError, match=text):
        acquisition(**changes)


def test_an_id_may_look_like_a_path_since_files_are_named_with_care() -> None:
    assert acquisition(acquisition_id="../../etc/passwd").acquisition_id == "../../etc/passwd"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_metadata_must_be_finite_or_left_out(value: float) -> None:
    with pytest.raises(FrameError, match="scan_step_nm must be a finite number, or left out when it is not known"):
        ScanMetadata(scan_step_nm=value)


@pytest.mark.parametrize("text", ["a\0b", "line\nbreak", "\x1b[31m", "x" * (MAX_TEXT + 1)])
def test_texts_that_a_results_file_or_a_terminal_cannot_take_are_refused(text: str) -> None:
    with pytest.raises(FrameError, match=f"operator must be at most {MAX_TEXT} printable characters"):
        ScanMetadata(operator=text)


def test_names_of_people_and_samples_may_be_in_any_language() -> None:
    ScanMetadata(operator="Bärbel Østergård 山田", sample_name="LiNi₀.₈Mn₀.₁Co₀.₁O₂, 5 µm")
