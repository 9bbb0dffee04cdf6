"""Each position as a mixture of materials: non-negative shares of the patterns of the pure ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SWEEPS = 60
_BLOCK = 16384
_FEW = 1e-9


def shares_of(
    signal: NDArray[np.float32],
    pure: NDArray[np.float32],
    own: NDArray[np.float32] | None = None,
    owner: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shares that add up to each signal best, by coordinate descent on non-negative least squares.

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

    Returns
    -------
    shares : NDArray[np.float32], shape (n, k + 1)
        Of `pure`, then of the position's own one.
    misfit : NDArray[np.float32], shape (n,)
        Part of the squared signal that is not explained.
    """
    shares = np.zeros((len(signal), len(pure) + 1), np.float32)
    misfit = np.zeros(len(signal), np.float32)
    gram = pure @ pure.T
    for first in range(0, len(signal), _BLOCK):
        part = slice(first, first + _BLOCK)
        mine = None if own is None or owner is None else _own_patterns(own, owner[part])
        shares[part], misfit[part] = _descend(signal[part], pure, gram, mine)
    return shares, misfit


def _own_patterns(own: NDArray[np.float32], owner: NDArray[np.int64]) -> NDArray[np.float32]:
    padded = np.concatenate([own, np.zeros((1, own.shape[1]), np.float32)])
    return padded[owner]  # -1 is the row of zeros


def _descend(
    signal: NDArray[np.float32],
    pure: NDArray[np.float32],
    gram: NDArray[np.float32],
    mine: NDArray[np.float32] | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    k = len(pure)
    shares = np.zeros((len(signal), k + 1), np.float32)
    target = np.zeros_like(shares)
    target[:, :k] = signal @ pure.T
    cross, length = np.zeros((len(signal), k), np.float32), np.zeros(len(signal), np.float32)
    if mine is not None:
        cross, length = mine @ pure.T, (mine**2).sum(axis=1)
        target[:, k] = (mine * signal).sum(axis=1)
    for _ in range(_SWEEPS):
        for j in range(k):
            rest = target[:, j] - shares[:, :k] @ gram[j] - shares[:, k] * cross[:, j]
            shares[:, j] = np.maximum(shares[:, j] + rest / max(float(gram[j, j]), _FEW), 0.0)
        rest = target[:, k] - (shares[:, :k] * cross).sum(axis=1)
        shares[:, k] = np.where(length > 0, np.maximum(rest, 0.0) / np.maximum(length, _FEW), 0.0)
    explained = shares[:, :k] @ pure
    if mine is not None:
        explained = explained + shares[:, k, None] * mine
    power = np.maximum((signal**2).sum(axis=1), _FEW)
    return shares, ((signal - explained) ** 2).sum(axis=1) / power
