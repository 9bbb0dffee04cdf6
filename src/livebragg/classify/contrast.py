"""Whether the light of a position stands out at the peaks of one class against all other peaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.evidence import FEWEST_PEAKS, LEAST_NOISE

_CARRIERS = 3.0
"""A hot pixel lights one peak; a class shows at several."""


def class_contrast(roots: NDArray[np.float32], patterns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Significance with which each position shows each pattern.

    The light at the tracked peaks is fitted with a constant, the mean of all patterns and one pattern. Halos,
    rings of tiny crystals and the foot of the direct beam light up the peaks of all classes alike: the first two
    take that up, and the scatter of the frame itself is the noise. What counts is what one pattern explains
    beyond it, however many of its disks are too faint to be found one by one.

    Parameters
    ----------
    roots : NDArray[np.float32], shape (n, n_peaks)
        Signed square roots of the measured intensities; NaN where unknown.
    patterns : NDArray[np.float32], shape (n_classes, n_peaks)
        Feature values of each class.

    Returns
    -------
    NDArray[np.float32], shape (n, n_classes)
        Coefficient of each pattern over its standard error; 0 where there is too little to tell.
    """
    n_peaks = roots.shape[1]
    if n_peaks < FEWEST_PEAKS or len(patterns) < 2:
        return np.zeros((len(roots), len(patterns)), np.float32)
    light = np.nan_to_num(roots)
    common, _ = np.linalg.qr(np.stack([np.ones(n_peaks), patterns.mean(axis=0)], axis=1))
    light = light - (light @ common) @ common.T
    own = patterns - (patterns @ common) @ common.T
    length = np.sqrt((own**2).sum(axis=1))
    own = own / np.maximum(length, 1e-9)[:, None]
    share = light @ own.T
    rest = np.maximum((light**2).sum(axis=1)[:, None] - share**2, 0.0) / (n_peaks - 3)
    significance = share / np.sqrt(np.maximum(rest, LEAST_NOISE**2))
    lit = np.maximum(light, 0.0)
    carriers = (lit @ np.maximum(own, 0).T) ** 2 / np.maximum(lit**2 @ np.maximum(own, 0).T ** 2, 1e-9)
    return np.where((length > 1e-3) & (carriers >= _CARRIERS), significance, 0.0).astype(np.float32)
