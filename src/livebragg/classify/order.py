"""Reflections that fade while the rest of a pattern stays: an ordered crystal and its disordered variant.

Both share their fundamental reflections, and the superlattice ones vanish gradually, so that one class contains
the other and no separate pattern is ever born. What tells fading order from a crystal that bends, gets thicker or
strained: both reflections of a Friedel pair fade together (a tilt brightens one and dims the other), all fading
pairs do so at the same positions, down to nothing, and nothing comes up instead. Where half of the pairs have
vanished the other half must have too: disks that are missed by chance are not missed together. And what vanished
must have been bright: disks near the limit of detection are lost where a crystal is only a little thinner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PARTNER = 2.0
"""Largest distance of a reflection from the inverse of its partner, in pixels."""
_FEWEST_MEMBERS = 60
_FEWEST_PAIRS = 3
"""One or two pairs may pass through a zero of their rocking curve."""
_GONE = 0.25
"""Light at the disordered end, relative to the ordered end, below which a pair has vanished."""
_GONE_ELSEWHERE = 0.5
"""The same for half of the pairs where the others have vanished: those are few, and noisy. Chance leaves all."""
_LEAST_SHARE = 0.02
_LARGEST_SHARE = 1.0
"""Limits of the light of fading pairs over that of the others, where the order is complete: superlattice
reflections are the weaker ones."""
_PART = 0.12
"""Part of the positions that must be more, and less than half ordered."""
_FAINT = 0.5
"""Positions with less light than this part of the typical are boundaries, or hardly crystal."""
_VARIATIONS = 4
"""Strongest variations that are followed: a crystal may bend more than it fades."""
_ENDS = (0.05, 0.95)
_ROUNDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Fading:
    """How one class fades.

    Parameters
    ----------
    fading, staying : NDArray[np.int64], shape (n,)
        Feature columns of the reflections that vanish, and of those that stay.
    full, none : float
        Light of the fading over that of the staying ones where the order is complete, and where there is none.
    """

    fading: NDArray[np.int64]
    staying: NDArray[np.int64]
    full: float
    none: float

    def order(self, intensity: NDArray[np.float32], columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Order parameter of some positions, 0 to 1, shape (n,): the part of the full light that is left.

        Parameters
        ----------
        intensity : NDArray[np.float32], shape (n, k)
            Measured intensities; NaN where unknown.
        columns : NDArray[np.int64], shape (k,)
            Their feature columns.
        """
        light = np.nan_to_num(intensity)
        fading = light[:, np.isin(columns, self.fading)].sum(axis=1)
        staying = light[:, np.isin(columns, self.staying)].sum(axis=1)
        ratio = np.where(staying > 0, fading / np.maximum(staying, 1e-6), 0.0)
        return np.clip((ratio - self.none) / (self.full - self.none), 0.0, 1.0).astype(np.float32)


def friedel_pairs(place: NDArray[np.float32]) -> NDArray[np.int64]:
    """Pairs of places (n, 2) that are each other's inverse through the origin, shape (n_pairs, 2)."""
    if len(place) == 0:
        return np.zeros((0, 2), np.int64)
    distance = np.hypot(*(place[:, None] + place[None]).transpose(2, 0, 1))
    partner = distance.argmin(axis=1)
    mutual = (partner[partner] == np.arange(len(place))) & (distance.min(axis=1, initial=np.inf) < _PARTNER)
    first = np.flatnonzero(mutual & (np.arange(len(place)) < partner))
    return np.stack([first, partner[first]], axis=1)


def find_fading(
    intensity: NDArray[np.float32],
    place: NDArray[np.float32],
    columns: NDArray[np.int64],
    unseen: float = 0.0,
) -> Fading | None:
    """Look for reflections of one class that fade together.

    Parameters
    ----------
    intensity : NDArray[np.float32], shape (n, k)
        Measured intensities of its positions at its reflections; NaN where unknown.
    place : NDArray[np.float32], shape (k, 2)
        The reflections, relative to the origin in pixels.
    columns : NDArray[np.int64], shape (k,)
        Their feature columns.
    unseen : float
        Light that may be where `intensity` is 0: the faintest disk that is found, where light was not measured.

    Returns
    -------
    Fading or None
        ``None`` where nothing vanishes.
    """
    pairs = friedel_pairs(place)
    if len(intensity) < _FEWEST_MEMBERS or len(pairs) < 2 * _FEWEST_PAIRS:
        return None
    light = np.nan_to_num(intensity)
    paired = light[:, pairs[:, 0]] + light[:, pairs[:, 1]]
    whole = paired.sum(axis=1)
    bright = whole > max(_FAINT * float(np.median(whole)), 0.0)  # light that is only noise is often negative
    if np.count_nonzero(bright) < _FEWEST_MEMBERS:
        return None
    paired = paired[bright]
    best, best_score = None, 0.0
    for fades in _candidates(paired / paired.sum(axis=1, keepdims=True)):
        ratio = paired[:, fades].sum(axis=1) / np.maximum(paired[:, ~fades].sum(axis=1), 1e-6)
        full = float(np.quantile(ratio, _ENDS[1]))
        faded = float((ratio < full / 2).mean())
        none = float(np.quantile(ratio, _ENDS[0]))
        if none > _GONE * full or not _LEAST_SHARE < full < _LARGEST_SHARE or not _PART < faded < 1 - _PART:
            continue
        if 2 * fades.sum() * unseen > _GONE * np.quantile(paired[:, fades].sum(axis=1), _ENDS[1]):
            continue
        if fades.sum() * full > best_score:
            best_score = fades.sum() * full
            fading, staying = columns[pairs[fades].ravel()], columns[pairs[~fades].ravel()]
            best = Fading(fading=fading, staying=staying, full=full, none=none)
    return best


def _candidates(share: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """Sets of pairs that vanish together: whichever follow one of the strongest variations, until the set
    follows its own light."""
    root = np.sqrt(np.maximum(share, 0.0))
    centred = root - root.mean(axis=0)
    _, _, axes = np.linalg.svd(centred[:: max(1, len(centred) // 2000)], full_matrices=False)
    found: list[NDArray[np.bool_]] = []
    for axis in axes[:_VARIATIONS]:
        for score in (centred @ axis, -(centred @ axis)):
            fades = _vanishing(share, score)
            for _ in range(_ROUNDS):
                if not _FEWEST_PAIRS <= fades.sum() < fades.size:
                    break
                again = _vanishing(share, share[:, fades].sum(axis=1) / _rest(share, fades))
                if np.array_equal(again, fades):
                    found += [fades] if _vanish_together(share, fades) else []
                    break
                fades = again
    return found


def _vanish_together(share: NDArray[np.float64], fades: NDArray[np.bool_]) -> bool:
    """Whether either half of the pairs is gone where the other half says so."""
    number, rest = np.flatnonzero(fades), _rest(share, fades)
    halves = [share[:, number[first::2]].sum(axis=1) for first in (0, 1)]
    for own, other in (halves, halves[::-1]):
        low, high = _ends(own / rest)
        if other[low].mean() > _GONE_ELSEWHERE * other[high].mean():
            return False
    return True


def _rest(share: NDArray[np.float64], fades: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Light of the pairs that stay, which may be none where two grains are in one class."""
    return np.asarray(np.maximum(share[:, ~fades].sum(axis=1), 1e-6), np.float64)


def _ends(score: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Positions at the low and at the high end of a score."""
    low, high = np.quantile(score, _ENDS[0] * 2), np.quantile(score, 1 - _ENDS[0] * 2)
    return score <= low, score >= high


def _vanishing(share: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pairs that have nearly nothing left at the low end of a score."""
    low, high = _ends(score)
    bottom, top = share[low].mean(axis=0), share[high].mean(axis=0)
    return np.asarray(bottom < _GONE * top)
