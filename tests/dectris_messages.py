"""STREAM V2 messages made for tests, by code of their own: nothing of the program is used to write them."""

from __future__ import annotations

from typing import Any

import cbor2
import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

UNIQUE = "01HZXWT80JSDY2FNW8SGCCDZD9"
MAGIC = b"\xd9\xd9\xf7"
TAGS = {"u1": 64, "u2": 69, "u4": 70, "f4": 85}


def hdf5_chunk(frame: NDArray[Any], **options: Any) -> bytes:
    """One chunk as an HDF5 filter writes it: bitshuffle-LZ4 or LZ4 with the filter's own header."""
    with h5py.File("made-in-memory", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset("d", data=frame, chunks=frame.shape, **options)
        mask, chunk = data.id.read_direct_chunk((0,) * frame.ndim)
        assert mask == 0
        return bytes(chunk)


def bslz4(frame: NDArray[Any], block_elements: int = 0) -> bytes:
    return hdf5_chunk(frame, **hdf5plugin.Bitshuffle(nelems=block_elements, cname="lz4"))


def lz4_framed(frame: NDArray[Any]) -> bytes:
    return hdf5_chunk(frame, **hdf5plugin.LZ4(nbytes=8192))


def array(frame: NDArray[Any], compression: str = "bslz4", block_elements: int = 0) -> cbor2.CBORTag:
    """An array of tag 40."""
    if compression == "bslz4":
        data: Any = cbor2.CBORTag(56500, ["bslz4", frame.itemsize, bslz4(frame, block_elements)])
    elif compression == "lz4":
        data = cbor2.CBORTag(56500, ["lz4", 0, lz4_framed(frame)])
    else:
        data = frame.tobytes()
    tag = TAGS[frame.dtype.str[1:]] - (4 if frame.dtype.byteorder == ">" else 0)
    return cbor2.CBORTag(40, [list(frame.shape), cbor2.CBORTag(tag, data)])


def message(kind: str, series: int = 7, magic: bytes = MAGIC, **fields: Any) -> bytes:
    return magic + cbor2.dumps({"type": kind, "series_id": series, "series_unique_id": UNIQUE, **fields})


def start(rows: int, cols: int, n_images: int, series: int = 7, **fields: Any) -> bytes:
    return message(
        "start",
        series,
        **{
            "arm_date": "2026-11-24T10:00:00+01:00",
            "channels": ["threshold_1"],
            "count_time": 1e-4,
            "frame_time": 1e-3,
            "detector_description": "EIGER2 test",
            "image_dtype": "uint16",
            "image_size_x": cols,
            "image_size_y": rows,
            "incident_energy": 200_000.0,
            "number_of_images": n_images,
            "saturation_value": 60_000,
            "user_data": "",
            **fields,
        },
    )


def image(number: int, frame: NDArray[Any], series: int = 7, compression: str = "bslz4", **fields: Any) -> bytes:
    """An image of one channel, unless `data` is given."""
    data = fields.pop("data", None) or {"threshold_1": array(frame, compression)}
    start_time = fields.pop("start_time", [number * 1_000_000, 50_000_000])
    return message(
        "image",
        series,
        image_id=number,
        real_time=[999_995, 50_000_000],
        start_time=start_time,
        stop_time=[number * 1_000_000 + 999_995, 50_000_000],
        user_data="",
        data=data,
        **fields,
    )


def end(series: int = 7) -> bytes:
    return message("end", series)


def frames(n: int, rows: int = 24, cols: int = 31, dtype: str = "uint16", seed: int = 3) -> NDArray[Any]:
    """Counts that compress, with extreme ones among them."""
    made = np.random.default_rng(seed).poisson(1.5, (n, rows, cols)).astype(dtype)
    made[:, 0, 0] = np.arange(n)
    return made
