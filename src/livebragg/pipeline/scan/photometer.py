"""Light at tracked peaks, measured in the frames of the log or of a recording."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import get_native_id, local
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from livebragg.config.detection import DetectionConfig
from livebragg.detect import DiskDetector, ProbeTemplate, build_detector
from livebragg.detect.odd_pixels import odd_pixels
from livebragg.model import ForcedIntensities, ProbeShape
from livebragg.pipeline.payloads import stack_frames
from livebragg.pipeline.pixel_health import PixelHealth
from livebragg.pipeline.scan.backfill import Measuring

_PART = 16
"""Frames that a thread measures at a time."""

_NICENESS = 10

_ROUND_BYTES = 256 << 20
"""Frames that may wait for being measured."""

_LEAST, _ENOUGH = 8, 256
"""Frames from which broken pixels are looked for, and up to which."""


_Begun = tuple[NDArray[np.int64], Future[ForcedIntensities], Callable[[], ForcedIntensities]]
"""Positions, their light as soon as a thread has measured it, and how to measure it here."""


class OddPixels:
    """Hot and dead pixels, from the mean of the first frames.

    Detection mends a hot pixel that poses as a disk. Light at given places must be measured without them: one of
    300 counts beside a tracked peak outshone the disks of a whole scan.
    """

    def __init__(self, frame_shape: tuple[int, int]) -> None:
        self.mask = np.zeros(frame_shape, np.bool_)
        self.revision = 0
        self._total, self._known = np.zeros(frame_shape), np.zeros(frame_shape, np.int64)
        self._frames, self._next_look = 0, _LEAST

    @property
    def known(self) -> bool:
        """Whether there were enough frames to tell."""
        return self._frames >= _LEAST

    def learn(self, frames: NDArray[Any]) -> None:
        """Take more frames, shape (n, frame_rows, frame_cols), until there were enough; NaN is no data."""
        if self._frames >= _ENOUGH:
            return
        known = np.isfinite(frames)
        self._total += np.where(known, frames, 0).sum(axis=0, dtype=np.float64)
        self._known += known.sum(axis=0)
        self._frames += len(frames)
        if self._frames < self._next_look:
            return
        self._next_look *= 4
        mask = odd_pixels(self._total / np.maximum(self._known, 1))
        if not np.array_equal(mask, self.mask):
            self.mask, self.revision = mask, self.revision + 1


class Frames(Protocol):
    """The part of a `FrameLookup` that is needed here."""

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """See `livebragg.pipeline.frame_lookup.FrameLookup.some`."""
        ...


class FramePhotometer:
    """Measures light at given places in frames that are looked up.

    Frames are read by the caller's thread and measured by a few others, which give way to the workers; the kernels
    release the GIL.

    Parameters
    ----------
    lookup : Frames
        Where the frames are.
    probe : ProbeShape
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    config : DetectionConfig
        Gain, offset and bad pixels, as for detection.
    pixels : PixelHealth, optional
        Pixels not to be used besides the configured ones, as in detection.
    template : ProbeTemplate, optional
        Instead of the one that follows from `probe`.
    threads : int
        Threads that measure.
    """

    def __init__(
        self,
        lookup: Frames,
        probe: ProbeShape,
        frame_shape: tuple[int, int],
        config: DetectionConfig,
        *,
        pixels: PixelHealth | None = None,
        template: ProbeTemplate | None = None,
        threads: int = 1,
    ) -> None:
        self._lookup = lookup
        self._what = probe, frame_shape, config, template
        self._pixels = pixels
        self._odd = OddPixels(frame_shape)
        self._mine = local()
        self.capacity = max(1, _ROUND_BYTES // (8 * frame_shape[0] * frame_shape[1]))
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="photometry", initializer=_step_back)

    def measure(
        self,
        scan_index: NDArray[np.int64],
        places: NDArray[np.float32],
        origins: NDArray[np.float32],
        wanted: NDArray[np.bool_],
    ) -> Iterator[tuple[NDArray[np.int64], ForcedIntensities]]:
        """See `livebragg.pipeline.scan.backfill.Photometer`. Who waits helps: the threads give way to others."""
        waiting: deque[_Begun] = deque()
        for part in self._begin(scan_index, places, origins, wanted):
            waiting.append(part)
            if len(waiting) > 2 * self._threads:
                yield _done(*waiting.popleft())
        while waiting:
            yield _done(*waiting.popleft())

    def begin(
        self,
        scan_index: NDArray[np.int64],
        places: NDArray[np.float32],
        origins: NDArray[np.float32],
        wanted: NDArray[np.bool_],
    ) -> Iterator[Measuring]:
        """See `livebragg.pipeline.scan.backfill.Photometer`."""
        for index, task, _ in self._begin(scan_index, places, origins, wanted):
            yield index, task

    def _begin(
        self,
        scan_index: NDArray[np.int64],
        places: NDArray[np.float32],
        origins: NDArray[np.float32],
        wanted: NDArray[np.bool_],
    ) -> Iterator[_Begun]:
        if len(places) == 0:
            return
        held: list[tuple[NDArray[np.int64], NDArray[Any]]] = []

        def submit() -> Iterator[_Begun]:
            index = np.concatenate([i for i, _ in held])
            asked = np.where(wanted[np.searchsorted(scan_index, index), :, np.newaxis], places, np.nan)
            yield from self._submit(index, stack_frames([f for _, f in held]), asked, origins)
            held.clear()

        for index, frames in self._lookup.some(scan_index):
            clean = frames if self._pixels is None else self._pixels.clean(frames)
            self._odd.learn(clean)
            held.append((index, clean))
            if self._odd.known and sum(index.size for index, _ in held) >= _PART:
                yield from submit()
        if held:
            yield from submit()

    def _submit(
        self,
        index: NDArray[np.int64],
        frames: NDArray[Any],
        places: NDArray[np.float32],
        origins: NDArray[np.float32],
    ) -> Iterator[_Begun]:
        # Payloads may hold single frames, and each task takes the GIL from the thread that publishes.
        for first in range(0, index.size, _PART):
            part = slice(first, first + _PART)
            what = partial(self._measure, frames[part], places[part], origins[index[part]])
            yield index[part], self._pool.submit(what), what

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _measure(
        self, frames: NDArray[np.generic], places: NDArray[np.float32], origins: NDArray[np.float32]
    ) -> ForcedIntensities:
        detector = self._detector()
        beam = np.zeros((len(places), 1, 2), places.dtype)  # it lights its surroundings
        with_beam = np.concatenate([beam, places], axis=1)
        all_of_them = detector.measure_at(frames, with_beam, origins=origins)
        return ForcedIntensities(
            intensity=all_of_them.intensity[:, 1:],
            error=all_of_them.error[:, 1:],
            usable=all_of_them.usable[:, 1:],
        )

    def _detector(self) -> DiskDetector:
        """This thread's own, made anew when more pixels turn out to be bad."""
        announced = self._pixels
        revision = (self._odd.revision, -1 if announced is None else announced.revision)
        if getattr(self._mine, "revision", None) != revision:
            bad = self._odd.mask if announced is None else self._odd.mask | announced.bad
            self._mine.detector = build_detector(*self._what, bad_pixels=bad)
            self._mine.revision = revision
        detector: DiskDetector = self._mine.detector
        return detector


def _done(
    index: NDArray[np.int64], task: Future[ForcedIntensities], what: Callable[[], ForcedIntensities]
) -> tuple[NDArray[np.int64], ForcedIntensities]:
    """A part's light; measured here when no thread has begun with it."""
    return index, what() if task.cancel() else task.result()


def _step_back() -> None:
    """Let everything else go first: what this thread measures can wait for an idle core."""
    if sys.platform == "linux":  # where threads have a priority of their own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICENESS)
