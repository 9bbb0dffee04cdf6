"""Payloads: bit-exact against other implementations, and damaged in every way."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hostile_messages import ACQUISITION, FRAMES, PACKED, RAW, REFUSED_BY_WORKER, Hostile
from livebragg.errors import ChecksumError, MalformedMessageError, WireError
from livebragg.model.scan import PIXEL_TYPES
from livebragg.wire.codec import decode
from livebragg.wire.messages import ChecksumKind, Encoding
from livebragg.wire.packing import checksum, pack, unpack, verify_checksum

SHAPES = [(1, 1, 1), (1, 3, 5), (2, 8, 10), (3, 64, 64), (5, 37, 53), (1, 128, 129), (64, 16, 16)]


def frames_of(shape: tuple[int, int, int], dtype: str) -> NDArray[Any]:
    """Counts, with extreme values among them."""
    rng = np.random.default_rng(shape[0] * 1000 + shape[1])
    frames = rng.poisson(2.0, shape).astype(dtype)
    limits = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    frames.reshape(-1)[:: max(frames.size // 7, 1)] = limits.max
    frames.reshape(-1)[-1] = limits.min
    return frames


def with_hdf5_filter(path: Path, frames: NDArray[Any]) -> bytes:
    """The payload as the bitshuffle filter of HDF5 writes it."""
    with h5py.File(path, "w") as file:
        options = hdf5plugin.Bitshuffle(cname="lz4")
        data = file.create_dataset("d", data=frames, chunks=frames.shape, **options)
        mask, chunk = data.id.read_direct_chunk((0, 0, 0))
        assert mask == 0
        return bytes(chunk)


def through_hdf5_filter(path: Path, payload: bytes, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """What the bitshuffle filter of HDF5 reads from a payload."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("d", shape, dtype, chunks=shape, **hdf5plugin.Bitshuffle(cname="lz4"))
        data.id.write_direct_chunk((0,) * len(shape), payload)
        return np.asarray(data[()])


@pytest.mark.parametrize("dtype", PIXEL_TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_the_hdf5_filter_wrote_is_read_bit_by_bit(tmp_path: Path, shape: Any, dtype: str) -> None:
    frames = frames_of(shape, dtype)
    read = unpack(with_hdf5_filter(tmp_path / "a.h5", frames), Encoding.BSLZ4, shape, dtype)
    assert read.dtype == np.dtype(dtype)
    assert read.tobytes() == frames.tobytes()


@pytest.mark.parametrize("dtype", PIXEL_TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_we_pack_is_read_by_the_hdf5_filter(tmp_path: Path, shape: Any, dtype: str) -> None:
    frames = frames_of(shape, dtype)
    payload = bytes(pack(frames, Encoding.BSLZ4))
    assert through_hdf5_filter(tmp_path / "a.h5", payload, shape, dtype).tobytes() == frames.tobytes()


def test_payloads_of_a_dectris_detector_are_read_like_the_hdf5_filter_does(
    tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    compressed = 0
    for number, path in enumerate(sorted(shared_data("dectris_stream2_recorded").glob("*.cbor"))):
        for payload, itemsize in _compressed_in_cbor(path.read_bytes()):
            dtype = f"uint{8 * itemsize}"
            size = struct.unpack_from(">Q", payload)[0] // itemsize
            ours = unpack(payload, Encoding.BSLZ4, (1, 1, size), dtype)
            theirs = through_hdf5_filter(tmp_path / f"{number}.h5", payload, (size,), dtype)
            assert np.array_equal(ours.reshape(-1), theirs)
            compressed += 1
    assert compressed > 0


def _compressed_in_cbor(message: bytes) -> list[tuple[bytes, int]]:
    """Payloads with their element sizes: tag 56500, a list of 3, "bslz4", element size, byte string."""
    found, mark = [], b"\xd9\xdc\xb4\x83\x65bslz4"
    at = message.find(mark)
    while at >= 0:
        itemsize, kind = message[at + len(mark)], message[at + len(mark) + 1]
        length_bytes = {0x58: 1, 0x59: 2, 0x5A: 4}[kind]
        begin = at + len(mark) + 2 + length_bytes
        length = int.from_bytes(message[begin - length_bytes : begin], "big")
        found.append((message[begin : begin + length], itemsize))
        at = message.find(mark, begin + length)
    return found


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("dtype", PIXEL_TYPES)
def test_frames_survive_either_encoding_whatever_their_layout(dtype: str, encoding: Encoding) -> None:
    frames = frames_of((4, 6, 10), dtype)
    for layout in (frames, frames[::2], frames[:, ::-1], frames.astype(np.dtype(dtype).newbyteorder(">"))):
        read = unpack(pack(layout, encoding), encoding, layout.shape, dtype)
        assert np.array_equal(read, layout)
        assert read.dtype == np.dtype(dtype)


def test_raw_frames_are_neither_copied_when_packed_nor_when_unpacked() -> None:
    frames = frames_of((2, 8, 10), "uint16")
    payload = pack(frames, Encoding.RAW)
    read = unpack(payload, Encoding.RAW, (2, 8, 10), "uint16")
    assert np.shares_memory(read, frames)
    with pytest.raises(ValueError, match="read-only"):
        read[0, 0, 0] = 1


def test_a_payload_at_an_odd_address_is_unpacked() -> None:
    shifted = memoryview(b"x" + PACKED)[1:]
    assert np.array_equal(unpack(shifted, Encoding.BSLZ4, FRAMES.shape, "uint16"), FRAMES)


@pytest.mark.parametrize("bad", REFUSED_BY_WORKER, ids=lambda bad: bad.name)
def test_a_damaged_payload_is_refused_with_its_reason(bad: Hostile) -> None:
    message = decode(bad.parts)
    with pytest.raises(bad.error) as caught:
        verify_checksum(message.payload, message.checksum_kind, message.checksum)
        unpack(message.payload, message.encoding, (message.n_frames, *ACQUISITION.frame_shape), ACQUISITION.dtype)
    assert bad.text in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 8, 10), (3, 9, 11), (4, 64, 40)], ids=str)
def test_a_compressed_payload_cut_anywhere_is_refused(shape: tuple[int, int, int]) -> None:
    payload = bytes(pack(frames_of(shape, "uint16"), Encoding.BSLZ4))
    cuts = range(len(payload)) if len(payload) < 1500 else range(0, len(payload), 7)
    for cut in cuts:
        with pytest.raises(MalformedMessageError):
            unpack(payload[:cut], Encoding.BSLZ4, shape, "uint16")


@settings(deadline=None, max_examples=300)
@given(at=st.integers(0, len(PACKED) - 1), flip=st.integers(1, 255))
def test_a_compressed_payload_with_any_byte_changed_is_read_or_refused(at: int, flip: int) -> None:
    payload = bytearray(PACKED)
    payload[at] ^= flip
    try:
        assert unpack(bytes(payload), Encoding.BSLZ4, (2, 8, 10), "uint16").shape == (2, 8, 10)
    except WireError as error:
        assert "bslz4" in str(error)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=400))
def test_any_bytes_behind_a_right_header_are_read_or_refused(body: bytes) -> None:
    try:
        unpack(PACKED[:12] + body, Encoding.BSLZ4, (2, 8, 10), "uint16")
    except WireError as error:
        assert "bslz4" in str(error)


def test_a_few_bytes_that_claim_terabytes_take_no_memory() -> None:
    shape = (65536, 16384, 16384)
    nbytes = shape[0] * shape[1] * shape[2] * 2
    with pytest.raises(MalformedMessageError, match=rf"of 40 bytes is truncated: its frames of {nbytes} bytes"):
        unpack(struct.pack(">QI", nbytes, 8192) + bytes(28), Encoding.BSLZ4, shape, "uint16")


def test_the_most_compressible_frames_are_not_taken_for_a_lie() -> None:
    zeros = np.zeros((64, 256, 256), np.uint16)
    payload = pack(zeros, Encoding.BSLZ4)
    assert memoryview(payload).nbytes < zeros.nbytes / 100
    assert not unpack(payload, Encoding.BSLZ4, zeros.shape, "uint16").any()


@pytest.mark.parametrize("block_bytes", [16, 64, 4096, 1 << 16])
def test_any_block_size_is_read(tmp_path: Path, block_bytes: int) -> None:
    frames = frames_of((3, 40, 40), "uint16")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        options = hdf5plugin.Bitshuffle(nelems=block_bytes // 2, cname="lz4")
        data = file.create_dataset("d", data=frames, chunks=frames.shape, **options)
        payload = bytes(data.id.read_direct_chunk((0, 0, 0))[1])
    assert struct.unpack_from(">I", payload, 8) == (block_bytes,)
    assert np.array_equal(unpack(payload, Encoding.BSLZ4, frames.shape, "uint16"), frames)


def test_checksums_are_those_of_the_specification() -> None:
    assert checksum(RAW, ChecksumKind.CRC32) == zlib.crc32(RAW)
    assert checksum(RAW, ChecksumKind.XXH3_64) == xxhash.xxh3_64_intdigest(RAW)
    assert checksum(RAW, ChecksumKind.NONE) == 0
    for kind in ChecksumKind:
        verify_checksum(memoryview(RAW), kind, checksum(RAW, kind))
    verify_checksum(RAW, ChecksumKind.NONE, 17)


@pytest.mark.parametrize("kind", [ChecksumKind.CRC32, ChecksumKind.XXH3_64])
def test_one_changed_bit_is_noticed(kind: ChecksumKind) -> None:
    changed = bytearray(RAW)
    changed[100] ^= 1
    with pytest.raises(ChecksumError, match=rf"{kind} of the payload is 0x[0-9a-f]+, the sender said .*changed"):
        verify_checksum(changed, kind, checksum(RAW, kind))
