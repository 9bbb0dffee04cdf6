"""Messages to bytes and back, and every bad message refused with a reason."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hostile_messages import ACQUISITION, HOSTILE, RAW, Hostile, batch, header, start
from livebragg.errors import MalformedMessageError, WireError
from livebragg.model import Acquisition, ProbeShape, ScanGeometry, ScanMetadata
from livebragg.wire import messages
from livebragg.wire.codec import PROTOCOL, VERSION, decode, encode, topic_of
from livebragg.wire.messages import (
    AcquisitionEnd,
    AcquisitionStart,
    ChecksumKind,
    DetectJob,
    Encoding,
    FrameBatch,
    Heartbeat,
    Piece,
    PipelineStatus,
    VectorMap,
)

KINDS = [kind for name in messages.__all__ if is_dataclass(kind := getattr(messages, name)) and name != "Piece"]

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp", "Zs"]), min_size=1, max_size=20)
_COUNT = st.integers(1, 1 << 16)
_REAL = st.floats(allow_nan=False, allow_infinity=False)
_FIELDS: dict[tuple[type[Any], str], st.SearchStrategy[Any]] = {
    (Acquisition, "frame_shape"): st.tuples(st.integers(1, 1 << 14), st.integers(1, 1 << 14)),
    (Acquisition, "scan_shape"): st.none() | st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
    (Acquisition, "dtype"): st.sampled_from(["uint8", "uint16", "float32", "float64"]),
    (ProbeShape, "radius"): st.floats(0.1, 100),
    (ProbeShape, "edge_width"): st.floats(0, 10),
    (FrameBatch, "payload"): st.binary(max_size=100),
}
_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    int: _COUNT,
    float: _REAL,
    str: _TEXT,
    bool: st.booleans(),
    types.NoneType: st.none(),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values that fit an annotation of a message."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if origin in (Union, types.UnionType):
        return st.one_of([values_of(a) for a in args])
    if origin is np.ndarray:
        return hnp.arrays(np.dtype(get_args(args[1])[0]), hnp.array_shapes(max_dims=4, min_side=0, max_side=4))
    if origin is list:
        return st.lists(values_of(args[0]), max_size=3)
    if origin is tuple:
        if args[-1] is ...:
            return st.lists(values_of(args[0]), max_size=3).map(tuple)
        return st.tuples(*map(values_of, args))
    if origin is dict:
        return st.dictionaries(_TEXT, values_of(args[1]), max_size=3)
    if issubclass(hint, StrEnum):
        return st.sampled_from(hint)
    return objects_of(hint)


def objects_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Messages (or parts of messages) of a class."""
    hints = get_type_hints(kind)
    special = {name: values for (owner, name), values in _FIELDS.items() if owner is kind}
    return st.builds(kind, **({n: values_of(hint) for n, hint in hints.items() if n not in special} | special))


def same(a: Any, b: Any) -> bool:
    """Equal in type and content, arrays included."""
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
    if isinstance(a, bytes | memoryview):
        return bytes(a) == bytes(b)
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return bool(type(a) is type(b) and a == b)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_message_survives_the_wire(kind: type[Any]) -> None:
    @settings(deadline=None, max_examples=15)
    @given(objects_of(kind))
    def check(message: Any) -> None:
        parts = [bytes(part) for part in encode(message)]
        assert same(message, decode(parts))

    check()


@pytest.mark.parametrize("bad", HOSTILE, ids=lambda bad: bad.name)
def test_a_bad_message_is_refused_with_its_reason(bad: Hostile) -> None:
    with pytest.raises(bad.error) as caught:
        decode(bad.parts)
    assert type(caught.value) is bad.error
    assert bad.text in str(caught.value)
    assert len(str(caught.value)) < 500, "a message is for people: it must not repeat what was sent"
    assert str(caught.value).isprintable()


_WEIRD = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("part"), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_header_with_any_field_replaced_is_decoded_or_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    head, *raw = [bytes(part) for part in encode(data.draw(objects_of(kind)))]
    fields_ = msgpack.unpackb(head)
    names = [n for n in fields_ if n not in ("protocol", "version")]
    fields_[data.draw(st.sampled_from(names))] = data.draw(_WEIRD)
    try:
        decode([msgpack.packb(fields_), *raw])
    except WireError as error:
        assert str(error)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_header_with_any_byte_changed_or_cut_is_decoded_or_refused(data: st.DataObject) -> None:
    head = bytearray(batch()[0] if data.draw(st.booleans()) else start(metadata={"beam_energy_kev": 200.0})[0])
    at = data.draw(st.integers(0, len(head) - 1))
    if data.draw(st.booleans()):
        head[at] ^= data.draw(st.integers(1, 255))
    else:
        del head[at:]
    try:
        decode([bytes(head), RAW])
    except WireError as error:
        assert str(error)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_random_bytes_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(WireError):
        decode(parts)


def test_a_header_has_protocol_version_and_type() -> None:
    head = msgpack.unpackb(encode(AcquisitionEnd(acquisition_id="a", frames_sent=3))[0])
    expected = {"protocol": "livebragg", "version": 1, "type": "acquisition_end"}
    assert head == {**expected, "acquisition_id": "a", "frames_sent": 3, "reason": "finished"}
    assert (PROTOCOL, VERSION) == ("livebragg", 1)


def test_fields_with_defaults_may_be_left_out_and_unknown_ones_are_ignored() -> None:
    message = decode(batch(colour="green"))
    assert message.encoding is Encoding.RAW
    assert message.checksum_kind is ChecksumKind.NONE
    assert message.sent_at is None
    assert bytes(message.payload) == RAW
    assert decode([header("heartbeat")]) == Heartbeat()


def test_a_whole_number_is_a_number_and_a_null_is_nothing() -> None:
    acquisition = decode(start(scan_shape=None, metadata={"beam_energy_kev": 200, "operator": None})).acquisition
    assert acquisition.scan_shape is None
    assert acquisition.metadata == ScanMetadata(beam_energy_kev=200.0)
    assert type(acquisition.metadata.beam_energy_kev) is float


def test_arrays_and_payloads_are_read_only_views_of_what_was_received() -> None:
    message = decode(batch(payload := bytearray(RAW)))
    assert message.payload is payload
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    parts = [bytes(p) for p in encode(_vector_map(image))]
    received = decode(parts).map
    assert np.shares_memory(received, np.frombuffer(parts[1], np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        received[0, 0] = 1


def test_an_array_that_begins_at_an_odd_address_is_copied_so_that_kernels_may_read_it() -> None:
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    parts: list[Any] = [bytes(p) for p in encode(_vector_map(image))]
    parts[1] = memoryview(b"x" + parts[1])[1:]
    received = decode(parts).map
    assert received.flags.aligned
    assert np.array_equal(received, image)


def test_sent_arrays_are_not_copied_unless_they_must() -> None:
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.shares_memory(np.frombuffer(encode(_vector_map(image))[1], np.uint8), image)
    assert np.array_equal(decode([bytes(p) for p in encode(_vector_map(image.T))]).map, image.T)


def test_an_array_of_another_type_is_converted_when_it_is_sent() -> None:
    image = np.arange(6).reshape(2, 3)
    received = decode([bytes(p) for p in encode(_vector_map(image))]).map
    assert received.dtype == np.float32
    assert np.array_equal(received, image)


def test_the_largest_job_fits_a_header() -> None:
    piece = Piece(
        first_frame=1 << 40,
        n_frames=1,
        segment=1 << 31,
        offset=1 << 32,
        nbytes=1 << 30,
        encoding=Encoding.BSLZ4,
        checksum_kind=ChecksumKind.XXH3_64,
        checksum=(1 << 64) - 1,
        sent_at=1.7e9,
    )
    job = DetectJob(
        job_id=1 << 40,
        acquisition=ACQUISITION,
        serial=1 << 31,
        geometry=ScanGeometry(scan_shape=(8192, 8192)),
        probe=ProbeShape(radius=3, edge_width=1, center=(4, 5)),
        false_disks_per_frame=0.1,
        pieces=[piece] * 4096,
    )
    assert len(decode([bytes(p) for p in encode(job)]).pieces) == 4096


def test_a_start_with_an_error_deep_inside_names_the_way_there() -> None:
    with pytest.raises(MalformedMessageError, match=r"'acquisition\.metadata\.camera_length_mm' must be a number"):
        decode(start(metadata={"camera_length_mm": [1]}))


def test_topics_are_the_type_names() -> None:
    assert topic_of(PipelineStatus) == b"pipeline_status"
    assert topic_of(FrameBatch) == b"frame_batch"


def test_the_start_example_of_the_specification_is_understood() -> None:
    message = decode(start(scan_order="snake", flyback_frames=2, frames_per_position=3))
    assert isinstance(message, AcquisitionStart)
    assert message.acquisition.scan_shape == (3, 4)
    assert message.acquisition.frame_bytes == 160


def _vector_map(image: np.ndarray[Any, Any]) -> VectorMap:
    none = np.zeros(0, np.float32)
    return VectorMap(
        serial=1,
        revision=1,
        published_at=0.0,
        newest_sent_at=0.0,
        map=image,
        bins_per_pixel=2.0,
        origin_row=1.0,
        origin_col=1.0,
        peak_ids=none.astype(np.int32),
        peak_qx=none,
        peak_qy=none,
        peak_support=none,
    )
