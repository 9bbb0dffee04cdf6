"""DECTRIS STREAM V2: every image bit by bit, every series followed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import h5py
import hdf5plugin
import numpy as np
import pytest
from numpy.typing import NDArray

import dectris_messages as made
from dectris_stream import Stream
from livebragg.detectors import KeptFrames, series
from livebragg.errors import MalformedMessageError, SequenceError
from livebragg.model import ScanOrder, unpack_mask
from livebragg.wire.messages import AcquisitionEnd, AcquisitionStart, EndReason


def by_hdf5(folder: Path, payload: bytes, shape: tuple[int, int], dtype: str) -> NDArray[Any]:
    """What the bitshuffle filter of HDF5 makes of a payload: an independent decoder."""
    with h5py.File(folder / "independent.h5", "w") as file:
        data = file.create_dataset("d", shape, dtype, chunks=shape, **hdf5plugin.Bitshuffle(cname="lz4"))
        data.id.write_direct_chunk((0, 0), payload)
        return np.asarray(data[()])


@pytest.mark.parametrize("channel", ["", "threshold_1", "threshold_2", "difference"])
def test_recorded_images_of_an_eiger2_are_read_bit_by_bit(
    channel: str, tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    paths = sorted(shared_data("dectris_stream2_recorded").glob("*.cbor"))
    stream = Stream(channel).take(*(path.read_bytes() for path in paths))
    assert [type(m) for m in stream.out] == [AcquisitionStart, KeptFrames, AcquisitionEnd]
    assert stream.acquisition.frame_shape == (514, 1030)
    assert stream.acquisition.channel == (channel or "threshold_1")
    frames, problems = stream.frames()
    assert not problems
    assert sorted(frames) == list(range(10))
    for number in range(10):
        value = cbor2.loads(paths[number].read_bytes())["data"][channel or "threshold_1"].value[1]
        _, element, payload = value.value.value
        assert np.array_equal(frames[number], by_hdf5(tmp_path, payload, (514, 1030), f"uint{8 * element}"))
    assert stream.of(AcquisitionEnd)[0].frames_sent == 10
    assert "start of series 1 was not seen" in stream.notices[0]


@pytest.mark.parametrize(
    ("dtype", "compression"),
    [
        *itertools.product(["uint8", "uint16", "uint32", "float32"], ["bslz4", "lz4", "none"]),
        (">u2", "none"),
        (">u4", "none"),
    ],
)
def test_every_pixel_type_and_compression_is_read_bit_by_bit(dtype: str, compression: str) -> None:
    frames = made.frames(5, dtype=dtype)
    frames[2] = np.random.default_rng(1).integers(0, 200, frames[2].shape)  # LZ4 stores what does not compress
    stream = Stream().take(*(made.image(k, f, compression=compression) for k, f in enumerate(frames))).flush()
    read, problems = stream.frames()
    assert not problems
    for number, frame in enumerate(frames):
        assert np.array_equal(read[number], frame)


@pytest.mark.parametrize("block_elements", [64, 1024, 8192])
def test_blocks_of_other_sizes_are_read(block_elements: int) -> None:
    (frame,) = made.frames(1, 100, 101)
    data = {"threshold_1": made.array(frame, block_elements=block_elements)}
    read, _ = Stream().take(made.image(0, frame, data=data)).flush().frames()
    assert np.array_equal(read[0], frame)


def test_a_series_becomes_an_acquisition_with_what_its_header_says() -> None:
    frames = made.frames(6)
    mask = np.zeros((24, 31), np.uint32)
    mask[3, 4], mask[7, 8] = 1, 1 << 31
    hints = {"scan_shape": [2, 3], "flyback": 2, "scan_order": "snake"}
    header = made.start(
        24, 31, 6, pixel_mask={"threshold_1": made.array(mask, "none")}, user_data=hints, incident_energy=300_000
    )
    stream = Stream().take(header, *(made.image(k, f) for k, f in enumerate(frames)), made.end())
    start, kept, end = stream.out
    acquisition = stream.acquisition
    assert acquisition.acquisition_id == "series-7"
    assert (acquisition.frame_shape, acquisition.dtype) == ((24, 31), "uint16")
    assert (acquisition.scan_shape, acquisition.flyback_frames) == ((2, 3), 2)
    assert acquisition.scan_order is ScanOrder.SNAKE
    assert acquisition.metadata.beam_energy_kev == 300.0
    assert acquisition.metadata.dwell_time_s == 1e-3
    assert acquisition.highest_count == 60_000
    assert np.argwhere(unpack_mask(acquisition.bad_pixels, (24, 31))).tolist() == [[3, 4], [7, 8]]
    assert start.n_frames == 6
    assert (kept.first_frame, kept.n_frames) == (0, 6)
    assert (end.frames_sent, end.reason) == (6, EndReason.FINISHED)
    assert stream.notices == []


@pytest.mark.parametrize("known_type", [True, False], ids=["known type", "type of the images"])
@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (np.ones((31, 24), np.uint32), "(31, 24) pixels, the frames have (24, 31)"),
        (np.ones((4, 5), np.uint32), "(4, 5) pixels, the frames have (24, 31)"),
        (None, "array of tag 40"),
    ],
    ids=["transposed", "another size", "no array"],
)
def test_a_mask_that_does_not_fit_is_said_and_the_frames_are_used_without_it(
    mask: NDArray[Any] | None, text: str, known_type: bool
) -> None:
    told = 17 if mask is None else made.array(mask, "none")
    header = made.start(24, 31, 1, pixel_mask={"threshold_1": told}, image_dtype="uint16" if known_type else None)
    stream = Stream().take(header, made.image(0, made.frames(1)[0])).flush()
    assert sorted(stream.frames()[0]) == [0]
    assert stream.acquisition.bad_pixels == b""
    (notice,) = stream.notices
    assert text in notice


def test_a_header_without_pixel_type_waits_for_the_first_image() -> None:
    (frame,) = made.frames(1, dtype="uint32")
    stream = Stream().take(made.start(24, 31, 4, image_dtype=None))
    assert stream.out == []
    stream.take(made.image(0, frame)).flush()
    assert stream.acquisition.dtype == "uint32"
    assert stream.acquisition.metadata.beam_energy_kev == 200.0
    assert stream.of(AcquisitionStart)[0].n_frames == 4


def test_one_of_several_thresholds_is_chosen_by_name() -> None:
    low, high = made.frames(2)
    data = {"threshold_1": made.array(low), "threshold_2": made.array(high)}
    message = made.image(0, low, data=data)
    for channel, frame in (("", low), ("threshold_1", low), ("threshold_2", high)):
        stream = Stream(channel).take(made.start(24, 31, 1, channels=["1", "2"]), message).flush()
        assert np.array_equal(stream.frames()[0][0], frame)
        assert stream.acquisition.channel == (channel or "threshold_1")


@pytest.mark.parametrize("magic", [made.MAGIC, b""], ids=["magic", "no magic"])
def test_images_are_filed_together_up_to_the_limit_and_split_at_gaps(magic: bytes) -> None:
    frame = made.frames(1)[0]
    numbers = [0, 1, 2, 3, 4, 7, 8, 8, 6]
    messages = [made.image(n, frame, magic=magic) for n in numbers]
    stream = Stream(batch_frames=4).take(made.start(24, 31, 9), *messages).flush()
    assert [(k.first_frame, k.n_frames) for k in stream.of(KeptFrames)] == [(0, 4), (4, 1), (7, 2), (8, 1), (6, 1)]


def test_numbers_of_every_size_are_read_from_the_first_bytes() -> None:
    frame = made.frames(1)[0]
    stream = Stream()
    for number in (0, 23, 24, 255, 256, 65_535, 65_536, 1 << 31, (1 << 32) + 5):
        stream.take(made.image(number, frame)).flush()
        assert stream.of(KeptFrames)[-1].first_frame == number
    assert stream.frames()[1] == {}


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["type", "series_id", "series_unique_id", "image_id"]))
)
@pytest.mark.parametrize("endless", [False, True], ids=["map", "map without length"])
def test_in_any_order_of_keys_an_image_is_taken_for_what_it_is(order: tuple[str, ...], endless: bool) -> None:
    """Each differs from the one before in one fact only: no fact may be taken over from the message before."""

    def written(**facts: Any) -> bytes:
        whole = {"data": {"threshold_1": made.array(frame, "none")}, **facts}
        body = b"".join(cbor2.dumps(key) + cbor2.dumps(whole[key]) for key in (*order, "data"))
        return made.MAGIC + (b"\xbf" + body + b"\xff" if endless else b"\xa5" + body)

    frame = made.frames(1)[0]
    facts: dict[str, Any] = {"type": "image", "series_id": 7, "series_unique_id": made.UNIQUE}
    stream = Stream()
    for number in (0, 1, 2):
        stream.take(written(image_id=number, **facts))
    with pytest.raises(SequenceError, match="series 6"):
        stream.take(written(image_id=3, **facts | {"series_id": 6}))
    with pytest.raises(SequenceError, match="it is taken up when another one follows"):
        stream.take(written(image_id=3, **facts | {"series_id": 8}))
    with pytest.raises(SequenceError, match="which is over"):
        stream.take(written(image_id=3, **facts | {"series_unique_id": "another"}))
    with pytest.raises(MalformedMessageError, match="a start, an image or an end"):
        stream.take(written(image_id=3, **facts | {"type": "other"}))
    stream.take(written(image_id=3, **facts)).flush()
    assert sorted(stream.frames()[0]) == [0, 1, 2, 3]


def test_text_that_looks_like_the_number_s_key_is_no_number() -> None:
    (frame,) = made.frames(1)
    stream = Stream()
    for number in (2, 3):
        fields = {"type": "image", "series_id": 7, "series_unique_id": "himage_id\x02", "image_id": number}
        stream.take(made.MAGIC + cbor2.dumps(fields | {"data": {"threshold_1": made.array(frame, "none")}}))
    assert sorted(stream.flush().frames()[0]) == [2, 3]


def test_messages_much_larger_than_a_frame_are_not_held_beyond_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message may hold more than is unpacked of it, say the other thresholds."""
    frame = made.frames(1)[0]
    monkeypatch.setattr(series, "MAX_BATCH_BYTES", 4 * frame.nbytes)
    data = {"threshold_1": made.array(frame), "other": bytes(3 * frame.nbytes // 2)}
    stream = Stream().take(made.start(24, 31, 6), *(made.image(k, frame, data=data) for k in range(6))).flush()
    assert [(k.first_frame, k.n_frames) for k in stream.of(KeptFrames)] == [(0, 2), (2, 2), (4, 2)]


def test_the_start_of_each_image_is_told_where_it_says_one() -> None:
    frame = made.frames(1)[0]
    starts = [[7, 2], [1, 0], None, "now", [12, 8]]
    stream = Stream().take(*(made.image(k, frame, start_time=s) for k, s in enumerate(starts))).flush()
    told = stream.times()
    assert np.array_equal(told, [3.5, np.nan, np.nan, np.nan, 1.5], equal_nan=True)


def test_attaching_in_the_middle_keeps_the_numbers() -> None:
    frames = made.frames(3)
    stream = Stream().take(*(made.image(100 + k, f) for k, f in enumerate(frames)), made.end())
    assert [type(m) for m in stream.out] == [AcquisitionStart, KeptFrames, AcquisitionEnd]
    assert stream.of(KeptFrames)[0].first_frame == 100
    assert stream.acquisition.highest_count == 65_534  # masked pixels have the largest number


# -------------------------------------------------------------------------------------------- odd series
def test_stale_images_are_refused_and_the_series_goes_on() -> None:
    frames = made.frames(3)
    stream = Stream().take(made.start(24, 31, 3, series=8), made.image(0, frames[0], 8))
    with pytest.raises(SequenceError, match="belongs to series 7, which is over"):
        stream.take(made.image(1, frames[1], 7))
    with pytest.raises(SequenceError, match="the end of series 7 came"):
        stream.take(made.end(7))
    stream.take(made.image(1, frames[1], 8)).flush()
    assert sorted(stream.frames()[0]) == [0, 1]


def test_a_later_series_whose_start_was_lost_is_taken_up() -> None:
    frame = made.frames(1)[0]
    stream = Stream().take(made.start(24, 31, 2), made.image(0, frame))
    with pytest.raises(SequenceError, match="it is taken up when another one follows"):
        stream.take(made.image(0, frame, 9))
    stream.take(made.image(1, frame, 9)).flush()
    names = [m.acquisition.acquisition_id for m in stream.of(AcquisitionStart)]
    assert names == ["series-7", "series-9"]
    assert [k.acquisition_id for k in stream.of(KeptFrames)] == names


def test_an_early_end_is_told_and_what_comes_after_it_refused() -> None:
    frame = made.frames(1)[0]
    stream = Stream().take(made.start(24, 31, 5), made.image(0, frame), made.end())
    assert stream.of(AcquisitionEnd)[0].reason is EndReason.STOPPED
    with pytest.raises(SequenceError, match="after its end"):
        stream.take(made.image(1, frame))
    assert stream.decoder.decode([made.end()]) == []  # said twice is no harm


@pytest.mark.parametrize(("came", "sent", "reason"), [(4, 5, EndReason.FINISHED), (3, 3, EndReason.STOPPED)])
def test_a_last_image_that_was_lost_is_counted_as_sent(came: int, sent: int, reason: EndReason) -> None:
    images = [made.image(k, made.frames(1)[0]) for k in range(came)]
    (end,) = Stream().take(made.start(24, 31, 5), *images, made.end()).of(AcquisitionEnd)
    assert (end.frames_sent, end.reason) == (sent, reason)


def test_a_series_without_images_is_no_acquisition() -> None:
    stream = Stream().take(made.start(24, 31, 5, image_dtype=None), made.end())
    assert stream.out == []
    assert stream.notices == ["series 7 ended without an image"]


def test_a_detector_that_was_restarted_counts_from_one_again() -> None:
    frame = made.frames(1)[0]
    stream = Stream().take(made.start(24, 31, 1, series=90), made.start(24, 31, 1, series=1))
    stream.take(made.image(0, frame, 1)).flush()
    assert stream.of(KeptFrames)[0].acquisition_id == "series-1"
