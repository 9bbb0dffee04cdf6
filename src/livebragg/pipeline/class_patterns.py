"""Mean diffraction pattern of every class: from a few frames each while the scan runs, from all at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """

    def __init__(self, lookup: FrameLookup, frame_shape: tuple[int, int], seed: int = 0) -> None:
        self._lookup = lookup
        self._shape = frame_shape
        self._random = np.random.default_rng(seed)
        self._samples: dict[int, NDArray[np.float32]] = {}
        self._gone: set[int] = set()

    def update(self, labels: NDArray[np.int16], class_ids: NDArray[np.int16], budget_s: float) -> MeanPatterns:
        """Mean patterns for these labels; reads new frames for at most about `budget_s` seconds."""
        flat = labels.reshape(-1)
        wanted = self._samples_per_class(class_ids.size)
        deadline = time.perf_counter() + budget_s
        of_class = {int(c): [s for s in self._samples if flat[s] == c] for c in class_ids}
        self._samples = {s: self._samples[s] for members in of_class.values() for s in members[:wanted]}
        for class_id, members in of_class.items():
            self._sample(flat, class_id, wanted - len(members), deadline)
        return self._means(flat, class_ids)

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

    def _means(self, flat: NDArray[np.int16], class_ids: NDArray[np.int16]) -> MeanPatterns:
        sums = np.zeros((class_ids.size, *self._shape), np.float32)
        counts = np.zeros(class_ids.size, np.int64)
        row = {int(c): k for k, c in enumerate(class_ids)}
        for index, frame in self._samples.items():
            k = row[int(flat[index])]
            sums[k] += frame
            counts[k] += 1
        return _mean(class_ids, sums, counts)


def all_patterns(
    lookup: FrameLookup, frame_shape: tuple[int, int], labels: NDArray[np.int16], class_ids: NDArray[np.int16]
) -> MeanPatterns:
    """Mean patterns over every frame that is left."""
    flat = labels.reshape(-1)
    sums = np.zeros((class_ids.size, *frame_shape), np.float64)
    seen = np.zeros(flat.size, np.bool_)
    for index, frames in lookup.blocks():
        block_labels = flat[index]
        seen[index] = True
        for k, class_id in enumerate(class_ids):
            members = block_labels == class_id
            if members.any():
                sums[k] += frames[members].sum(axis=0, dtype=np.float64)
    counts = [np.count_nonzero(seen & (flat == c)) for c in class_ids]
    return _mean(class_ids, sums, np.array(counts, np.int64))


def _mean(class_ids: NDArray[np.int16], sums: NDArray[np.floating], counts: NDArray[np.int64]) -> MeanPatterns:
    with np.errstate(invalid="ignore", divide="ignore"):
        patterns = (sums / counts[:, None, None]).astype(np.float32)
    return MeanPatterns(class_ids=class_ids, patterns=patterns, n_frames=counts)
