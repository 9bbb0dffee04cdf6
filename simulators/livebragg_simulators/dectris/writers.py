"""STREAM V1 and V2 as a DECTRIS detector sends them; what its own clients demand of the messages is kept."""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import cbor2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ConfigError
from livebragg.model import Acquisition, unpack_mask
from livebragg.wire import bitshuffle
from livebragg.wire.messages import EndReason
from livebragg_simulators.writers import Parts

TIME_BASE = 50_000_000
"""Ticks per second of a detector's clock."""

_ULID_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Compression(StrEnum):
    """How images are packed."""

    BSLZ4 = "bslz4"
    LZ4 = "lz4"
    NONE = "none"


class HeaderDetail(StrEnum):
    """How much a header says."""

    ALL = "all"
    BASIC = "basic"
    NONE = "none"


@dataclass(slots=True)
class SeriesFacts:
    """What the headers of a simulated detector say."""

    compression: Compression = Compression.BSLZ4
    header_detail: HeaderDetail = HeaderDetail.BASIC
    header_appendix: Any = ""
    image_appendix: Any = ""
    frame_time_s: float = 1e-3
    series: int = 0
    """Of the newest series; grows with each."""
    trigger_mode: str = "exts"
    triggers: int = 1


def as_counts(frames: NDArray[Any]) -> NDArray[Any]:
    """Frames in the types a DECTRIS detector has, little endian; negative counts become 0.

    Raises
    ------
    ConfigError
        Frames of real numbers.
    """
    if frames.dtype.kind == "f":
        raise ConfigError(
            f"a DECTRIS detector counts in whole numbers, these frames are {frames.dtype}; use --protocol native, "
            "or save the recording as integers"
        )
    if frames.dtype.kind == "i":
        frames = np.maximum(frames, 0).astype(f"uint{8 * frames.dtype.itemsize}")
    return np.ascontiguousarray(frames, frames.dtype.newbyteorder("<"))


def _bad_pixels(acquisition: Acquisition) -> NDArray[np.uint32]:
    return unpack_mask(acquisition.bad_pixels, acquisition.frame_shape).astype("<u4")


def _unique_id(series: int) -> str:
    """A name in the form of a ULID that is the same in every run, as tests like it."""
    digest = int.from_bytes(hashlib.blake2b(f"series {series}".encode(), digest_size=16).digest(), "big")
    return "".join(_ULID_LETTERS[(digest >> shift) & 31] for shift in range(0, 130, 5))


# ---------------------------------------------------------------------------------------------- V2
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
            mask, flat = _bad_pixels(acquisition), np.ones((rows, cols), "<f4")
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
        began = round(number * self.facts.frame_time_s * TIME_BASE)
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


# ---------------------------------------------------------------------------------------------- V1
@dataclass(slots=True)
class DectrisV1Writer:
    """STREAM V1: JSON in several parts."""

    facts: SeriesFacts = field(default_factory=SeriesFacts)
    linger_frames: int = 4

    def start(self, acquisition: Acquisition, n_frames: int) -> list[Parts]:
        """See `StreamWriter.start`."""
        self.facts.series += 1
        detail = self.facts.header_detail
        parts = [_json(htype="dheader-1.0", series=self.facts.series, header_detail=detail.value)]
        if detail is not HeaderDetail.NONE:
            parts.append(_json(**detector_config(acquisition, n_frames, self.facts)))
        if detail is HeaderDetail.ALL:
            parts += self._tables(acquisition)
        if self.facts.header_appendix:
            parts.append(_appendix(self.facts.header_appendix))
        return [parts]

    def frames(self, first: int, frames: NDArray[Any]) -> list[Parts]:
        """See `StreamWriter.frames`."""
        return [self._image(first + k, frame) for k, frame in enumerate(as_counts(frames))]

    def end(self, frames_sent: int, reason: EndReason) -> list[Parts]:
        """See `StreamWriter.end`."""
        return [[_json(htype="dseries_end-1.0", series=self.facts.series)]]

    def alive(self, frames_sent: int) -> list[Parts]:
        """See `StreamWriter.alive`."""
        return []

    def _image(self, number: int, frame: NDArray[Any]) -> Parts:
        blob, encoding = _v1_blob(frame, self.facts.compression)
        period = round(self.facts.frame_time_s * 1e9)
        parts = [
            _json(
                htype="dimage-1.0",
                series=self.facts.series,
                frame=number,
                hash=hashlib.md5(blob, usedforsecurity=False).hexdigest(),
            ),
            _json(
                htype="dimage_d-1.0",
                shape=[frame.shape[1], frame.shape[0]],
                type=frame.dtype.name,
                encoding=encoding,
                size=len(blob),
            ),
            blob,
            _json(
                htype="dconfig-1.0",
                start_time=number * period,
                stop_time=(number + 1) * period - 100,
                real_time=period - 100,
            ),
        ]
        return [*parts, _appendix(self.facts.image_appendix)] if self.facts.image_appendix else parts

    def _tables(self, acquisition: Acquisition) -> list[bytes]:
        rows, cols = acquisition.frame_shape
        return [
            _json(htype="dflatfield-1.0", shape=[cols, rows], type="float32"),
            np.ones((rows, cols), "<f4").tobytes(),
            _json(htype="dpixelmask-1.0", shape=[cols, rows], type="uint32"),
            _bad_pixels(acquisition).tobytes(),
            _json(htype="dcountrate_table-1.0", shape=[2, 2], type="float32"),
            np.array([[0, 1e6], [0, 1e6]], "<f4").tobytes(),
        ]


def detector_config(acquisition: Acquisition, n_frames: int, facts: SeriesFacts) -> dict[str, Any]:
    """The detector's configuration as its header and its REST interface tell it."""
    rows, cols = acquisition.frame_shape
    dtype = as_counts(np.zeros(1, acquisition.dtype)).dtype
    bits = 8 * dtype.itemsize
    one_per_trigger = facts.trigger_mode in ("exte", "inte")
    return {
        "auto_summation": True,
        "beam_center_x": cols / 2,
        "beam_center_y": rows / 2,
        "bit_depth_image": bits,
        "bit_depth_readout": min(bits, 16),
        "compression": facts.compression.value,
        "count_time": facts.frame_time_s - 1e-7,
        "countrate_correction_applied": True,
        "countrate_correction_count_cutoff": int(acquisition.highest_count or np.iinfo(dtype).max - 1),
        "description": "livebragg simulator",
        "detector_distance": 0.0,
        "detector_number": "E-00-0000",
        "detector_readout_time": 1e-7,
        "detector_translation": [0.0, 0.0, 0.0],
        "eiger_fw_version": "release-2022.1.2",
        "flatfield_correction_applied": True,
        "frame_time": facts.frame_time_s,
        "nimages": 1 if one_per_trigger else n_frames // facts.triggers,
        "ntrigger": n_frames if one_per_trigger else facts.triggers,
        "photon_energy": (acquisition.metadata.beam_energy_kev or 200.0) * 1e3,
        "pixel_mask_applied": True,
        "roi_mode": "disabled",
        "sensor_material": "Si",
        "sensor_thickness": 4.5e-4,
        "software_version": "1.8.0",
        "threshold_energy": 4020.5,
        "trigger_mode": facts.trigger_mode,
        "x_pixel_size": 1e-4,
        "x_pixels_in_detector": cols,
        "y_pixel_size": 1e-4,
        "y_pixels_in_detector": rows,
    }


def _v1_blob(frame: NDArray[Any], compression: Compression) -> tuple[bytes, str]:
    if compression is Compression.BSLZ4:
        return bitshuffle.compress(frame.reshape(-1)), f"bs{8 * frame.itemsize}-lz4<"
    if compression is Compression.LZ4:
        return bytes(imagecodecs.lz4_encode(frame.tobytes(), header=False)), "lz4<"
    return frame.tobytes(), "<"


def _json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def _appendix(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
