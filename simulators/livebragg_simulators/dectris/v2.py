"""STREAM V2 as a DECTRIS detector sends it; what its own clients demand of the messages is kept."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, field
from typing import Any

import cbor2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from livebragg.model import Acquisition
from livebragg.wire import bitshuffle
from livebragg.wire.messages import EndReason
from livebragg_simulators.dectris.series import Compression, HeaderDetail, SeriesFacts, as_counts, bad_pixels
from livebragg_simulators.writers import Parts

TIME_BASE = 50_000_000
"""Ticks per second of a detector's clock."""

_ULID_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(slots=True)
class DectrisV2Writer:
    """STREAM V2: one CBOR map in one part for each image, all channels together."""

    facts: SeriesFacts = field(default_factory=SeriesFacts)
    channels: tuple[str, ...] = ("threshold_1",)
    linger_frames: int = 4
    _unique: str = ""
    _date: cbor2.CBORTag | None = None

    def start(self, acquisition: Acquisition, n_frames: int) -> list[Parts]:
        """See `StreamWriter.start`."""
        facts = self.facts
        facts.series += 1
        self._unique, self._date = _unique_id(facts.series), _now()
        rows, cols = acquisition.frame_shape
        dtype = as_counts(np.zeros(1, acquisition.dtype)).dtype
        energy = (acquisition.metadata.beam_energy_kev or 200.0) * 1e3
        message: dict[str, Any] = {
            "arm_date": self._date,
            "beam_center_x": cols / 2,
            "beam_center_y": rows / 2,
            "channels": list(self.channels),
            "count_time": facts.frame_time_s - 1e-7,
            "countrate_correction_enabled": True,
            "detector_description": "livebragg simulator",
            "detector_serial_number": "E-00-0000",
            "detector_translation": [0.0, 0.0, 0.0],
            "flatfield_enabled": True,
            "frame_time": facts.frame_time_s,
            "goniometer": {},
            "image_dtype": dtype.name,
            "image_size_x": cols,
            "image_size_y": rows,
            "incident_energy": float(energy),
            "incident_wavelength": 0.0251,
            "number_of_images": n_frames,
            "pixel_mask_enabled": True,
            "pixel_size_x": 1e-4,
            "pixel_size_y": 1e-4,
            "saturation_value": int(acquisition.highest_count or np.iinfo(dtype).max - 1),
            "sensor_material": "Si",
            "sensor_thickness": 4.5e-4,
            "threshold_energy": dict.fromkeys(self.channels, 4020.5),
            "user_data": facts.header_appendix,
            "virtual_pixel_interpolation_enabled": False,
        }
        if facts.header_detail is HeaderDetail.ALL:
            mask, flat = bad_pixels(acquisition), np.ones((rows, cols), "<f4")
            message["pixel_mask"] = {name: _array(mask, Compression.NONE) for name in self.channels}
            message["flatfield"] = {name: _array(flat, Compression.NONE) for name in self.channels}
        return [[self._message("start", message)]]

    def frames(self, first: int, frames: NDArray[Any]) -> list[Parts]:
        """See `StreamWriter.frames`."""
        return [[self._image(first + k, frame)] for k, frame in enumerate(as_counts(frames))]

    def end(self, frames_sent: int, reason: EndReason) -> list[Parts]:
        """See `StreamWriter.end`."""
        return [[self._message("end", {})]]

    def alive(self, frames_sent: int) -> list[Parts]:
        """See `StreamWriter.alive`."""
        return []

    def _image(self, number: int, frame: NDArray[Any]) -> bytes:
        began = round(self.facts.start_s(number) * TIME_BASE)
        lasted = round(self.facts.frame_time_s * TIME_BASE) - 5
        # A higher threshold counts less; any rule will do as long as the channels differ.
        channels = {n: _array(frame >> k, self.facts.compression) for k, n in enumerate(self.channels)}
        return self._message(
            "image",
            {
                "image_id": number,
                "real_time": [lasted, TIME_BASE],
                "series_date": self._date,
                "start_time": [began, TIME_BASE],
                "stop_time": [began + lasted, TIME_BASE],
                "user_data": self.facts.image_appendix,
                "data": channels,
            },
        )

    def _message(self, kind: str, fields: dict[str, Any]) -> bytes:
        ids = {"type": kind, "series_id": self.facts.series, "series_unique_id": self._unique}
        return cbor2.dumps(cbor2.CBORTag(55799, ids | fields))


def _now() -> cbor2.CBORTag:
    return cbor2.CBORTag(0, datetime.datetime.now().astimezone().isoformat(timespec="milliseconds"))


def _array(frame: NDArray[Any], compression: Compression) -> cbor2.CBORTag:
    """A two-dimensional array of tag 40."""
    data: Any = frame.tobytes()
    if compression is Compression.BSLZ4:
        data = cbor2.CBORTag(56500, ["bslz4", frame.itemsize, bitshuffle.compress(frame.reshape(-1))])
    elif compression is Compression.LZ4:
        packed = imagecodecs.lz4h5_encode(data, blocksize=bitshuffle.BLOCK_BYTES)
        data = cbor2.CBORTag(56500, ["lz4", 0, bytes(packed)])
    tag = {"u1": 64, "u2": 69, "u4": 70, "f4": 85}[frame.dtype.str[1:]]
    return cbor2.CBORTag(40, [list(frame.shape), cbor2.CBORTag(tag, data)])


def _unique_id(series: int) -> str:
    """A name in the form of a ULID that is the same in every run, as tests like it."""
    digest = int.from_bytes(hashlib.blake2b(f"series {series}".encode(), digest_size=16).digest(), "big")
    return "".join(_ULID_LETTERS[(digest >> shift) & 31] for shift in range(0, 130, 5))
