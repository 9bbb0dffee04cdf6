"""STREAM V1 as a DECTRIS detector sends it; what its own clients demand of the messages is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from livebragg.model import Acquisition
from livebragg.wire import bitshuffle
from livebragg.wire.messages import EndReason
from livebragg_simulators.dectris.series import (
    Compression,
    HeaderDetail,
    SeriesFacts,
    as_counts,
    bad_pixels,
    detector_config,
)
from livebragg_simulators.writers import Parts


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
        blob, encoding = _blob(frame, self.facts.compression)
        began, period = round(self.facts.start_s(number) * 1e9), round(self.facts.frame_time_s * 1e9)
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
                start_time=began,
                stop_time=began + period - 100,
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
            bad_pixels(acquisition).tobytes(),
            _json(htype="dcountrate_table-1.0", shape=[2, 2], type="float32"),
            np.array([[0, 1e6], [0, 1e6]], "<f4").tobytes(),
        ]


def _blob(frame: NDArray[Any], compression: Compression) -> tuple[bytes, str]:
    if compression is Compression.BSLZ4:
        return bitshuffle.compress(frame.reshape(-1)), f"bs{8 * frame.itemsize}-lz4<"
    if compression is Compression.LZ4:
        return bytes(imagecodecs.lz4_encode(frame.tobytes(), header=False)), "lz4<"
    return frame.tobytes(), "<"


def _json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def _appendix(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
