"""How likely the light at the tracked peaks of a position is under each class, and what its neighbours add.

A class shows in all of its peaks together, also where none of them holds enough electrons to be found, or even to
be significant. And domains are wider than one position: how much neighbours agree is learned from those positions
whose own light leaves no doubt, and counts like so much light.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.grid import beside

FEWEST_PEAKS = 8
"""With fewer peaks there is nothing to stand out against."""
LEAST_NOISE = 0.4
"""Scatter of a root of counts that is never undercut: where hardly an electron falls it is no measure."""
_COUPLINGS = np.linspace(0.0, 2.0, 41)
"""Nats per neighbour that are tried; with eight of them the largest is as good as certain."""


def light_evidence(
    roots: NDArray[np.float32], typical: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logarithm of the likelihood of each class, and of none, and the contrast that each class should have.

    As in `livebragg.classify.contrast`, what lights up all peaks alike, or those of all classes, is taken out
    and the scatter about the best class is the noise. Much more light at a peak than any class has there is no
    class's, and counts as far as the class's.

    Parameters
    ----------
    roots : NDArray[np.float32], shape (n, n_peaks)
        Signed square roots of the measured intensities; NaN where unknown.
    typical : NDArray[np.float32], shape (n_classes, n_peaks)
        Mean of the roots in each class.

    Returns
    -------
    evidence : NDArray[np.float32], shape (n, n_classes + 1)
        In nats, relative to no class, which is the last.
    strength : NDArray[np.float32], shape (n, n_classes)
        Length of the light of each class in standard errors.
    """
    n_classes, n_peaks = typical.shape
    known = np.isfinite(roots).astype(np.float32)
    light = np.minimum(np.nan_to_num(roots), 2 * typical.max(axis=0, initial=0.0) + 1)
    common, _ = np.linalg.qr(np.stack([np.ones(n_peaks), typical.mean(axis=0)], axis=1))
    light = known * (light - (light @ common) @ common.T)  # what is not known is for no class and against none
    own = typical - (typical @ common) @ common.T
    square, length = (light**2).sum(axis=1), known @ (own**2).T
    gain = 2 * light @ own.T - length
    freedom = np.maximum(known.sum(axis=1) - 3, 1)
    rest = np.maximum(square - np.maximum(gain.max(axis=1, initial=0.0), 0.0), 0.0) / freedom
    variance = np.maximum(rest, LEAST_NOISE**2)
    evidence = np.zeros((len(roots), n_classes + 1), np.float32)
    evidence[:, :-1] = gain / (2 * variance[:, None])
    return evidence, np.sqrt(length / variance[:, None]).astype(np.float32)


def neighbours(
    positions: NDArray[np.int64], kind: NDArray[np.int64], cols: int, n_kinds: int
) -> NDArray[np.float32]:
    """How many of the eight neighbours of some positions are of each kind, shape (n, n_kinds).

    Parameters
    ----------
    positions : NDArray[np.int64], shape (n,)
    kind : NDArray[np.int64], shape (n_positions,)
        Of every position, -1 where it is not known.
    cols : int
        Positions in a scan line.
    n_kinds : int
        Kinds there are.
    """
    count = np.zeros((positions.size, n_kinds), np.float32)
    for where, there in beside(positions, kind.size, cols):
        which = kind[there]
        count[where[which >= 0], which[which >= 0]] += 1
    return count


def coupling(kind: NDArray[np.int64], count: NDArray[np.float32]) -> float:
    """Nats that one neighbour of a kind is worth: the largest pseudo-likelihood (Besag, 1975) of kinds that are
    known without their neighbours.

    Parameters
    ----------
    kind : NDArray[np.int64], shape (n,)
    count : NDArray[np.float32], shape (n, n_kinds)
        As `neighbours` returns them.
    """
    if kind.size == 0:
        return 0.0
    mine = count[np.arange(kind.size), kind]
    scores = [(each * mine - np.log(np.exp(each * count).sum(axis=1))).sum() for each in _COUPLINGS]
    return float(_COUPLINGS[int(np.argmax(scores))])
