"""Each position as a mixture of materials: non-negative shares of the patterns of the pure ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.mixture import mix_rows

_SWEEPS = 400
_TOLERANCE = 1e-4
"""Patterns of two phases may have a cosine of 0.995, and then many small steps lead to their shares."""


def shares_of(
    signal: NDArray[np.float32],
    pure: NDArray[np.float32],
    own: NDArray[np.float32] | None = None,
    owner: NDArray[np.int64] | None = None,
    start: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shares that add up to each signal best, by non-negative least squares.

    Diffraction patterns of a beam that covers several materials add up in proportion to area, so shares of
    patterns per electron are shares of area. They need not add up to 1: what is missing is vacuum or a thinner
    specimen.

    Parameters
    ----------
    signal : NDArray[np.float32], shape (n, channels)
        Channels divided by their standard errors.
    pure : NDArray[np.float32], shape (k, channels)
        The same of the materials that any position may contain.
    own : NDArray[np.float32], shape (m, channels), optional
        Materials of which a position may contain one.
    owner : NDArray[np.int64], shape (n,), optional
        Which of `own` that is, -1 for none.
    start : NDArray[np.float32], shape (n, k + 1), optional
        Shares to start from, by default 0: those of before are nearer.

    Returns
    -------
    shares : NDArray[np.float32], shape (n, k + 1)
        Of `pure`, then of the position's own one.
    misfit : NDArray[np.float32], shape (n,)
        Part of the squared signal that is not explained.
    """
    n, k = len(signal), len(pure)
    if own is None or owner is None:
        own, owner = np.zeros((0, signal.shape[1]), np.float32), np.full(n, -1)
    pure64, own64 = pure.astype(np.float64), own.astype(np.float64)
    own_gram = np.column_stack([own64 @ pure64.T, (own64**2).sum(axis=1)])
    shares = np.zeros((n, k + 1), np.float32) if start is None else start.astype(np.float32)
    misfit = np.zeros(n, np.float32)
    mix_rows(
        np.ascontiguousarray(signal, np.float32),
        np.ascontiguousarray(pure, np.float32),
        pure64 @ pure64.T,
        np.ascontiguousarray(own, np.float32),
        own_gram,
        np.ascontiguousarray(owner, np.int64),
        _SWEEPS,
        _TOLERANCE,
        np.zeros(k + 1),
        shares,
        misfit,
    )
    return shares, misfit
