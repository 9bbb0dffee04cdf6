"""Simulated STREAM V1 and V2: what our decoder reads back, and what other clients demand of the bytes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import cbor2
import numpy as np
import pytest

from dectris_stream import Stream
from livebragg.errors import ConfigError
from livebragg.model import Acquisition, pack_mask, unpack_mask
from livebragg.wire.messages import AcquisitionEnd, EndReason
from livebragg_simulators.dectris.series import Compression, HeaderDetail, SeriesFacts, as_counts
from livebragg_simulators.dectris.v1 import DectrisV1Writer
from livebragg_simulators.dectris.v2 import DectrisV2Writer

SHAPE = (24, 31)
MASK = np.zeros(SHAPE, bool)
MASK[2, 3] = True


def acquisition(dtype: str = "uint16") -> Acquisition:
    return Acquisition(
        acquisition_id="a", scan_shape=(2, 3), frame_shape=SHAPE, dtype=dtype, bad_pixels=pack_mask(MASK)
    )


def frames(dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(1).poisson(3, (6, *SHAPE)).astype(dtype)


def written(writer: Any, dtype: str = "uint16") -> list[list[bytes]]:
    return [
        *writer.start(acquisition(dtype), 6),
        *writer.frames(0, frames(dtype)[:4]),
        *writer.frames(4, frames(dtype)[4:]),
        *writer.end(6, EndReason.FINISHED),
    ]


@pytest.mark.parametrize("detail", list(HeaderDetail))
@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("kind", [DectrisV1Writer, DectrisV2Writer])
def test_what_is_written_is_read_back(
    kind: Any, dtype: str, compression: Compression, detail: HeaderDetail
) -> None:
    facts = SeriesFacts(compression=compression, header_detail=detail, header_appendix={"scan_shape": [2, 3]})
    stream = Stream().take(*written(kind(facts), dtype)).flush()
    read, problems = stream.frames()
    assert not problems
    assert np.array_equal([read[k] for k in range(6)], frames(dtype))
    assert stream.of(AcquisitionEnd)[0].frames_sent == 6
    assert stream.acquisition.scan_shape == (2, 3)
    told = unpack_mask(stream.acquisition.bad_pixels, SHAPE)
    assert np.array_equal(told, MASK if detail is HeaderDetail.ALL else np.zeros(SHAPE, bool))
    assert stream.acquisition.acquisition_id == "series-1"


def test_v2_messages_are_what_the_vendors_parser_demands() -> None:
    start, image, *_, end = (parts[0] for parts in written(DectrisV2Writer()))
    for message, kind in ((start, b"start"), (image, b"image"), (end, b"end")):
        assert message.startswith(b"\xd9\xd9\xf7")
        at = 5 if message[3] == 0xB8 else 4  # behind the head of the map
        assert message[at : at + 6 + len(kind)] == b"\x64type" + bytes([0x60 + len(kind)]) + kind
    fields = cbor2.loads(start)
    assert len(fields["detector_translation"]) == 3
    for key in ("incident_energy", "frame_time", "count_time", "beam_center_x", "pixel_size_y"):
        assert isinstance(fields[key], float), key
    assert fields["image_dtype"] == "uint16"
    array = cbor2.loads(image)["data"]["threshold_1"]
    assert (array.tag, list(array.value[0]), array.value[1].tag) == (40, list(SHAPE), 69)
    assert len(cbor2.loads(image)["series_unique_id"]) == 26


def test_channels_differ_and_come_together() -> None:
    writer = DectrisV2Writer(channels=("threshold_1", "threshold_2"))
    messages = written(writer)
    low, _ = Stream("threshold_1").take(*messages).flush().frames()
    high, _ = Stream("threshold_2").take(*messages).flush().frames()
    assert np.array_equal(low[3] >> 1, high[3])


def test_v1_images_carry_their_hash_and_the_reversed_shape() -> None:
    first, about, blob, times = written(DectrisV1Writer())[1]
    assert json.loads(first)["hash"] == hashlib.md5(blob).hexdigest()
    assert json.loads(about)["shape"] == [31, 24]
    assert json.loads(times)["htype"] == "dconfig-1.0"


@pytest.mark.parametrize("mode", ["ints", "inte", "exts", "exte"])
def test_v1_headers_say_how_many_images_come(mode: str) -> None:
    facts = SeriesFacts(trigger_mode=mode, triggers=2)
    config = json.loads(DectrisV1Writer(facts).start(acquisition(), 6)[0][1])
    expected = (1, 6) if mode in ("inte", "exte") else (3, 2)
    assert (config["nimages"], config["ntrigger"]) == expected


def test_signed_counts_are_sent_without_sign_and_real_numbers_refused() -> None:
    assert as_counts(np.array([-3, 5], np.int16)).tolist() == [0, 5]
    assert as_counts(np.array([-3, 5], np.int16)).dtype == np.uint16
    with pytest.raises(ConfigError, match="float32; use --protocol native"):
        as_counts(np.zeros(3, np.float32))


def test_each_series_has_the_next_number() -> None:
    writer = DectrisV2Writer()
    names = [Stream().take(*written(writer)).acquisition.acquisition_id for _ in range(3)]
    assert names == ["series-1", "series-2", "series-3"]
