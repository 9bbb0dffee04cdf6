"""Mean diffraction pattern of every class: from a few frames each while the scan runs, from all at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.masked_sum import add_masked
from livebragg.model import BraggPeaks, ProbeShape
from livebragg.pipeline.frame_lookup import FrameLookup

SAMPLE_BYTES = 64 << 20
"""Frames kept for the live means, all classes together."""

MAX_SAMPLES_PER_CLASS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanPatterns:
    """Mean raw pattern of each class.

    Parameters
    ----------
    class_ids : NDArray[np.int16], shape (n,)
    patterns : NDArray[np.float32], shape (n, frame_rows, frame_cols)
        Mean counts per position; NaN for a class without frames.
    n_frames : NDArray[np.int64], shape (n,)
        Positions in each mean.
    """

    class_ids: NDArray[np.int16]
    patterns: NDArray[np.float32]
    n_frames: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMask:
    """What is left out of the patterns of classes without Bragg peaks: stray disks, but not the direct beam.

    Parameters
    ----------
    peaks_at : callable
        Disks of a scan position.
    probe : ProbeShape
        Size of what is left out, and where the direct beam is.
    beam_radius : float
        Disks nearer to the probe's centre are the direct beam, in pixels.
    families : tuple of str
        Of the classes whose patterns are masked.
    """

    peaks_at: Callable[[int], BraggPeaks]
    probe: ProbeShape
    beam_radius: float
    families: tuple[str, ...] = ("amorphous", "vacuum")

    def disks_of(
        self, index: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """``qx, qy`` of the disks of some positions, and where those of each begin and end."""
        found = [self.peaks_at(int(i)) for i in index]
        kept = []
        for peaks in found:
            far = np.hypot(peaks.qx - self.probe.center[0], peaks.qy - self.probe.center[1]) > self.beam_radius
            kept.append((peaks.qx[far], peaks.qy[far]))
        offsets = np.concatenate([[0], np.cumsum([len(qx) for qx, _ in kept])]).astype(np.int64)
        qx = np.concatenate([qx for qx, _ in kept]) if kept else np.zeros(0, np.float32)
        qy = np.concatenate([qy for _, qy in kept]) if kept else np.zeros(0, np.float32)
        return qx.astype(np.float32), qy.astype(np.float32), offsets

    @property
    def radius(self) -> float:
        """Of what is left out about each disk, in pixels."""
        return self.probe.radius + 2.0 * self.probe.edge_width + 1.0


class _Sums:
    """Sum of the frames of each class, and how often each pixel is in it."""

    def __init__(
        self,
        class_ids: NDArray[np.int16],
        families: Sequence[str],
        frame_shape: tuple[int, int],
        mask: DiskMask | None,
    ) -> None:
        self._mask = mask
        known = dict(zip(class_ids.tolist(), families, strict=False))
        self._masked = [mask is not None and known.get(int(c)) in mask.families for c in class_ids]
        self._sums = np.zeros((class_ids.size, *frame_shape), np.float64)
        self._numbers = np.zeros(self._sums.shape, np.int64)
        self._frames = np.zeros(class_ids.size, np.int64)
        self._ids = class_ids
        self._covered = np.zeros(frame_shape, np.bool_)

    def add(self, k: int, index: NDArray[np.int64], frames: NDArray[np.generic]) -> None:
        """Add frames of some positions of the class in row `k`."""
        self._frames[k] += len(index)
        if self._mask is None or not self._masked[k]:
            self._sums[k] += frames.sum(axis=0, dtype=np.float64)
            self._numbers[k] += len(index)
            return
        qx, qy, offsets = self._mask.disks_of(index)
        plain = np.ascontiguousarray(frames, np.float32)
        add_masked(plain, qx, qy, offsets, self._mask.radius, self._covered, self._sums[k], self._numbers[k])

    def means(self) -> MeanPatterns:
        """Mean of every pixel over the frames that show it."""
        with np.errstate(invalid="ignore", divide="ignore"):
            patterns = (self._sums / self._numbers).astype(np.float32)
        return MeanPatterns(class_ids=self._ids, patterns=patterns, n_frames=self._frames)


class PatternSampler:
    """Keeps a few frames of each class and follows them when labels change.

    Parameters
    ----------
    lookup : FrameLookup
        Where frames come from.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    seed : int
        Which positions are sampled is random, but the same for the same seed.
    mask : DiskMask, optional
        What is left out of the patterns of classes without Bragg peaks.
    """

    def __init__(
        self, lookup: FrameLookup, frame_shape: tuple[int, int], seed: int = 0, mask: DiskMask | None = None
    ) -> None:
        self._mask = mask
        self._lookup = lookup
        self._shape = frame_shape
        self._random = np.random.default_rng(seed)
        self._samples: dict[int, NDArray[np.float32]] = {}
        self._gone: set[int] = set()

    def update(
        self,
        labels: NDArray[np.int16],
        class_ids: NDArray[np.int16],
        budget_s: float,
        families: Sequence[str] = (),
    ) -> MeanPatterns:
        """Mean patterns for these labels; reads new frames for at most about `budget_s` seconds.

        Parameters
        ----------
        families : sequence of str
            Family of each class, which decides whether disks are left out.
        """
        flat = labels.reshape(-1)
        wanted = self._samples_per_class(class_ids.size)
        deadline = time.perf_counter() + budget_s
        of_class = {int(c): [s for s in self._samples if flat[s] == c] for c in class_ids}
        self._samples = {s: self._samples[s] for members in of_class.values() for s in members[:wanted]}
        for class_id, members in of_class.items():
            self._sample(flat, class_id, wanted - len(members), deadline)
        return self._means(flat, class_ids, families)

    def _samples_per_class(self, n_classes: int) -> int:
        frame_bytes = 4 * self._shape[0] * self._shape[1]
        return int(np.clip(SAMPLE_BYTES // (frame_bytes * max(n_classes, 1)), 1, MAX_SAMPLES_PER_CLASS))

    def _sample(self, flat: NDArray[np.int16], class_id: int, count: int, deadline: float) -> None:
        if count <= 0:
            return
        candidates = np.flatnonzero(flat == class_id)
        chosen = self._random.choice(candidates, min(2 * count, candidates.size), replace=False)
        for index in map(int, chosen):
            if count == 0 or time.perf_counter() > deadline:
                return
            if index in self._samples or index in self._gone:
                continue
            frame = self._lookup.frame(index)
            if frame is None:
                self._gone.add(index)
            else:
                self._samples[index] = frame
                count -= 1

    def _means(
        self, flat: NDArray[np.int16], class_ids: NDArray[np.int16], families: Sequence[str]
    ) -> MeanPatterns:
        sums = _Sums(class_ids, families, self._shape, self._mask)
        row = {int(c): k for k, c in enumerate(class_ids)}
        for index, frame in self._samples.items():
            sums.add(row[int(flat[index])], np.array([index]), frame[np.newaxis])
        return sums.means()


def all_patterns(
    lookup: FrameLookup,
    frame_shape: tuple[int, int],
    labels: NDArray[np.int16],
    class_ids: NDArray[np.int16],
    families: Sequence[str] = (),
    mask: DiskMask | None = None,
) -> MeanPatterns:
    """Mean patterns over every frame that is left; `families` and `mask` as in `PatternSampler`."""
    flat = labels.reshape(-1)
    sums = _Sums(class_ids, families, frame_shape, mask)
    seen = np.zeros(flat.size, np.bool_)
    for index, frames in lookup.blocks():
        for k, class_id in enumerate(class_ids):
            members = flat[index] == class_id
            if members.any():
                sums.add(k, index[members], frames[members])
        seen[index] = True
    means = sums.means()
    counts = [np.count_nonzero(seen & (flat == c)) for c in class_ids]
    return replace(means, n_frames=np.array(counts, np.int64))
