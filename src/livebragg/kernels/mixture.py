"""Non-negative shares of a few patterns in each signal: coordinate descent on the normal equations."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def mix_rows(
    signal: NDArray[np.float32],
    pure: NDArray[np.float32],
    gram: NDArray[np.float64],
    own: NDArray[np.float32],
    own_gram: NDArray[np.float64],
    owner: NDArray[np.int64],
    sweeps: int,
    tolerance: float,
    target: NDArray[np.float64],
    out_shares: NDArray[np.float32],
    out_misfit: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Minimise ``|signal - shares @ patterns|^2`` with shares of at least 0, for every signal.

    Parameters
    ----------
    signal : NDArray[np.float32], shape (n, channels)
    pure : NDArray[np.float32], shape (k, channels)
        Patterns that any signal may contain.
    gram : NDArray[np.float64], shape (k, k)
        Their inner products.
    own : NDArray[np.float32], shape (m, channels)
        Patterns of which a signal may contain one, in the last column of the shares.
    own_gram : NDArray[np.float64], shape (m, k + 1)
        Their inner products with `pure`, then with themselves.
    owner : NDArray[np.int64], shape (n,)
        Which of `own` that is, -1 for none.
    sweeps : int
        At most so many rounds.
    tolerance : float
        Largest change of a share in the last round.
    target : NDArray[np.float64], shape (k + 1,)
        Scratch.
    out_shares : NDArray[np.float32], shape (n, k + 1)
        Read as the starting point, 0 in the last column where `owner` is -1.
    out_misfit : NDArray[np.float32], shape (n,)
        Part of the squared signal that is left.
    """
    k = pure.shape[0]
    for i in range(signal.shape[0]):
        mine = owner[i]
        power = 0.0
        for c in range(signal.shape[1]):
            power += np.float64(signal[i, c]) ** 2
        for j in range(k + 1):
            target[j] = 0.0
        for j in range(k):
            for c in range(signal.shape[1]):
                target[j] += np.float64(signal[i, c]) * pure[j, c]
        if mine >= 0:
            for c in range(signal.shape[1]):
                target[k] += np.float64(signal[i, c]) * own[mine, c]
        for _ in range(sweeps):
            change = 0.0
            for j in range(k + 1):
                if j == k and mine < 0:
                    continue
                square = gram[j, j] if j < k else own_gram[mine, k]
                if square <= 0.0:
                    continue
                rest = target[j]
                for other in range(k):
                    if other != j:
                        rest -= out_shares[i, other] * (gram[j, other] if j < k else own_gram[mine, other])
                if j < k and mine >= 0:
                    rest -= out_shares[i, k] * own_gram[mine, j]
                share = max(rest / square, 0.0)
                change = max(change, abs(share - out_shares[i, j]))
                out_shares[i, j] = share
            if change < tolerance:
                break
        left = 0.0
        for c in range(signal.shape[1]):
            rest = np.float64(signal[i, c])
            for j in range(k):
                rest -= out_shares[i, j] * pure[j, c]
            if mine >= 0:
                rest -= out_shares[i, k] * own[mine, c]
            left += rest * rest
        out_misfit[i] = left / power if power > 0.0 else 0.0
