"""What a series of images is: what its headers say, and its images as a DECTRIS detector has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ConfigError
from livebragg.model import Acquisition, unpack_mask
from livebragg_simulators.pauses import Pauses


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
    pauses: Pauses = field(default_factory=Pauses)
    series: int = 0
    """Of the newest series; grows with each."""
    trigger_mode: str = "exts"
    triggers: int = 1

    def start_s(self, number: int) -> float:
        """When an image begins, in seconds after the first."""
        return number * self.frame_time_s + self.pauses.before(number)


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


def bad_pixels(acquisition: Acquisition) -> NDArray[np.uint32]:
    """Pixel mask of the detector, 1 where a pixel is bad, shape frame_shape."""
    return unpack_mask(acquisition.bad_pixels, acquisition.frame_shape).astype("<u4")


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
