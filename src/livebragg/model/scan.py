"""What is being scanned: the acquisition and the way frames map to scan positions."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError
from livebragg.model.pixels import MAX_MASK_BYTES

PIXEL_TYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
"""Pixel types a detector may have."""

MAX_FRAME_SIDE = 1 << 14
MAX_POSITIONS = 1 << 24
"""4096 x 4096: what the maps of one scan may need in memory."""
MAX_NAME = 200
MAX_TEXT = 1000

NO_POSITION = -1
"""Scan index of a frame that belongs to no position (fly-back, or after the end of the scan)."""


class ScanOrder(StrEnum):
    """The way the beam walks."""

    RASTER = "raster"
    SNAKE = "snake"


def check_scan_shape(scan_shape: tuple[int, int]) -> None:
    """Raise `FrameError` unless the shape is one a scan can have."""
    if min(scan_shape) < 1 or scan_shape[0] * scan_shape[1] > MAX_POSITIONS:
        raise FrameError(
            f"scan_shape must have at least 1 and at most {MAX_POSITIONS} positions, not {scan_shape}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanMetadata:
    """Optional facts about the microscope, each ``None`` when the sender does not know it."""

    beam_energy_kev: float | None = None
    camera_length_mm: float | None = None
    convergence_angle_mrad: float | None = None
    q_pixel_size_inv_angstrom: float | None = None
    scan_step_nm: float | None = None
    dwell_time_s: float | None = None
    detector_name: str | None = None
    sample_name: str | None = None
    operator: str | None = None

    def __post_init__(self) -> None:
        # They end as attributes of the results file, which can hold neither zero bytes nor very long texts.
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if isinstance(value, str) and not (len(value) <= MAX_TEXT and value.isprintable()):
                raise FrameError(
                    f"{name} must be at most {MAX_TEXT} printable characters, not {value[:MAX_NAME]!r}"
                )
            if isinstance(value, float) and not math.isfinite(value):
                raise FrameError(f"{name} must be a finite number, or left out when it is not known, not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One scan, as the sender announced it.

    Parameters
    ----------
    acquisition_id : str
        Name that is unique among the acquisitions of a sender.
    scan_shape : tuple of int or None
        ``(scan_rows, scan_cols)``; ``None`` when the sender does not know it.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    dtype : str
        NumPy name of the pixel type, little endian (``"uint16"``).
    frames_per_position : int
        Frames taken at one position; they are added before detection.
    flyback_frames : int
        Frames after each scan line that belong to no position.
    scan_order : ScanOrder
        Raster, or snake (odd lines run backwards).
    channel : str
        Which of the detector's channels (energy thresholds) the frames are; empty when there is only one.
    highest_count : int, optional
        Largest pixel value that is a count; pixels above it have no data in that frame.
    bad_pixels : bytes
        Pixels that are never to be used, packed by `livebragg.model.pack_mask`: one bit a pixel, row by row, the
        most significant bit first, compressed by zlib. Empty when there is none.
    first_image : int
        The detector's own number of frame 0.
    metadata : ScanMetadata
        Optional facts with units in their names.
    """

    acquisition_id: str
    scan_shape: tuple[int, int] | None
    frame_shape: tuple[int, int]
    dtype: str
    frames_per_position: int = 1
    flyback_frames: int = 0
    scan_order: ScanOrder = ScanOrder.RASTER
    channel: str = ""
    highest_count: int | None = None
    bad_pixels: bytes = b""
    first_image: int = 0
    metadata: ScanMetadata = ScanMetadata()

    def __post_init__(self) -> None:
        if not 0 < len(self.acquisition_id) <= MAX_NAME or not self.acquisition_id.isprintable():
            raise FrameError(
                f"acquisition_id must be 1 to {MAX_NAME} printable characters, not "
                f"{self.acquisition_id[:MAX_NAME]!r}"
            )
        if not all(1 <= n <= MAX_FRAME_SIDE for n in self.frame_shape):
            raise FrameError(f"frame_shape must be within 1 and {MAX_FRAME_SIDE} pixels, not {self.frame_shape}")
        if self.dtype not in PIXEL_TYPES:
            raise FrameError(f"dtype {self.dtype!r} is not supported; send one of {', '.join(PIXEL_TYPES)}")
        if self.scan_shape is not None:
            check_scan_shape(self.scan_shape)
        if len(self.channel) > MAX_NAME or not self.channel.isprintable():
            raise FrameError(
                f"channel must be at most {MAX_NAME} printable characters, not {self.channel[:MAX_NAME]!r}"
            )
        if self.highest_count is not None and not 0 < self.highest_count < 1 << 63:
            raise FrameError(f"highest_count must be above 0 and fit 63 bits, not {self.highest_count}")
        if len(self.bad_pixels) > MAX_MASK_BYTES:
            raise FrameError(
                f"bad_pixels has {len(self.bad_pixels)} bytes, at most {MAX_MASK_BYTES} are allowed: leave it out"
            )
        if not 1 <= self.frames_per_position <= 1 << 16 or not 0 <= self.flyback_frames <= 1 << 20:
            raise FrameError(
                f"frames_per_position must be 1 to 65536 and flyback_frames 0 to 1048576, not "
                f"{self.frames_per_position} and {self.flyback_frames}"
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame."""
        rows, cols = self.frame_shape
        return rows * cols * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanGeometry:
    """Maps the running number of a frame to its scan index (flat, row-major).

    Examples
    --------
    >>> import numpy as np
    >>> snake = ScanGeometry(scan_shape=(2, 3), flyback_frames=1, scan_order=ScanOrder.SNAKE)
    >>> snake.scan_index(np.arange(9))
    array([ 0,  1,  2, -1,  5,  4,  3, -1, -1])

    The first two frames came before the scan, and the trigger before frame 4 was missed: a hole, not a shift.

    >>> ScanGeometry(scan_shape=(2, 3), first_frame=2, missed_triggers=(4,)).scan_index(np.arange(8))
    array([-1, -1,  0,  1,  3,  4,  5, -1])
    """

    scan_shape: tuple[int, int]
    frames_per_position: int = 1
    flyback_frames: int = 0
    scan_order: ScanOrder = ScanOrder.RASTER
    open_ended: bool = False
    """The number of rows is not known yet: rows beyond ``scan_shape`` are accepted."""
    first_frame: int = 0
    """Number of the frame at the first position; negative when the detector missed the beginning."""
    missed_triggers: tuple[int, ...] = ()
    """Frames before which the detector missed a trigger, rising; a frame is named once for each trigger."""

    def __post_init__(self) -> None:
        if min(self.scan_shape) < 1 or self.frames_per_position < 1 or self.flyback_frames < 0:
            raise FrameError(
                f"scan shape {self.scan_shape} and frames per position {self.frames_per_position} must be at "
                f"least 1, fly-back frames {self.flyback_frames} at least 0"
            )

    @property
    def n_positions(self) -> int:
        """Positions in the scan (so far, when open-ended)."""
        return self.scan_shape[0] * self.scan_shape[1]

    @property
    def frames_per_line(self) -> int:
        """Frames the detector sends for one scan line, fly-back included."""
        return self.scan_shape[1] * self.frames_per_position + self.flyback_frames

    @property
    def n_frames(self) -> int:
        """Triggers of the whole scan, fly-back included: frames the detector sends when it misses none."""
        return self.scan_shape[0] * self.frames_per_line

    @property
    def frame_limit(self) -> int:
        """First frame number that lies beyond the scan."""
        return max(0, self.first_frame + self.n_frames - len(self.missed_triggers))

    def splits_position(self, frame: int) -> bool:
        """Whether this frame and the one before it belong to the same position."""
        before, index = self.scan_index(np.array([frame - 1, frame])).tolist()
        return bool(index >= 0 and before == index)

    def scan_index(self, frame_numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Scan index of each frame, ``NO_POSITION`` for fly-back frames and frames beyond the scan."""
        numbers = self.triggers(np.asarray(frame_numbers, np.int64))
        line, within = np.divmod(numbers, self.frames_per_line)
        column = within // self.frames_per_position
        on_line = column < self.scan_shape[1]
        if self.scan_order is ScanOrder.SNAKE:
            column = np.where(line % 2 == 1, self.scan_shape[1] - 1 - column, column)
        on_scan = (numbers >= 0) & (self.open_ended | (line < self.scan_shape[0]))
        return np.where(on_line & on_scan, line * self.scan_shape[1] + column, NO_POSITION)

    def first_frames(self, scan_index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the first frame of some positions: what `scan_index` is asked to find them.

        Examples
        --------
        >>> snake = ScanOrder.SNAKE
        >>> scan = ScanGeometry(scan_shape=(2, 3), flyback_frames=1, scan_order=snake, missed_triggers=(1,))
        >>> scan.first_frames(np.array([2, 5, 3]))
        array([1, 3, 5])
        """
        line, column = np.divmod(np.asarray(scan_index, np.int64), self.scan_shape[1])
        if self.scan_order is ScanOrder.SNAKE:
            column = np.where(line % 2 == 1, self.scan_shape[1] - 1 - column, column)
        triggers = line * self.frames_per_line + column * self.frames_per_position
        missed = np.asarray(self.missed_triggers, np.int64)
        holes = missed - self.first_frame + np.arange(missed.size)
        return np.asarray(triggers + self.first_frame - np.searchsorted(holes, triggers))

    def triggers(self, frame_numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of each frame's trigger, from 0 at the first position."""
        triggers = frame_numbers - self.first_frame
        if self.missed_triggers:
            triggers = triggers + np.searchsorted(self.missed_triggers, frame_numbers, side="right")
        return triggers
