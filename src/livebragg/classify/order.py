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
_FEWEST_WHOLE = 2
"""Of which so many must be pairs: a reflection whose partner is not tracked counts half."""
_ABOVE_DARK = 0.5
"""Least light of a reflection relative to that where none is."""
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
_KNOWN = 0.25
"""Part of the fading, and of the other light, that must be known to tell the order."""
_LEAST_LIGHT = 1e-3
_LEAST_AT_ENDS = 3
"""Positions at either end of which something must be known to say that a reflection vanishes."""
_ENDS = (0.05, 0.95)
_ROUNDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Fading:
    """How one class fades.

    Parameters
    ----------
    fading, staying : NDArray[np.int64], shape (n,)
        Feature columns of the reflections that vanish, and of those that stay.
    typical : NDArray[np.float32], shape (k,)
        Mean light at `columns`: what to expect of those that are not known at a position.
    dark : NDArray[np.float32], shape (k,)
        Light at `columns` that is there without a reflection.
    full, none : float
        Light of the fading over that of the staying ones where the order is complete, and where there is none.
    """

    fading: NDArray[np.int64]
    staying: NDArray[np.int64]
    typical: NDArray[np.float32]
    dark: NDArray[np.float32]
    full: float
    none: float

    @property
    def columns(self) -> NDArray[np.int64]:
        """The fading ones, then those that stay."""
        return np.concatenate([self.fading, self.staying])

    def order(self, intensity: NDArray[np.float32]) -> NDArray[np.float32]:
        """Order parameter of some positions, 0 to 1, shape (n,): the part of the full light that is left.

        NaN where less than a quarter of either light is known: what nobody measured has not faded.

        Parameters
        ----------
        intensity : NDArray[np.float32], shape (n, k)
            Measured intensities at `columns`; NaN where unknown.
        """
        fades = np.arange(self.typical.size) < self.fading.size
        ratio = _ratio(intensity - self.dark, self.typical, fades)
        order = (ratio - self.none) / (self.full - self.none)
        return np.asarray(np.clip(order, 0.0, 1.0), np.float32)


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
    dark: NDArray[np.float32] | None = None,
) -> Fading | None:
    """Look for reflections of one class that fade together.

    First among pairs alone. Where too few have both reflections tracked, those whose partner is not count half,
    and light that is there without a reflection, as the tails of the direct beam, is taken off.

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
    dark : NDArray[np.float32], shape (k,), optional
        Light at the reflections that is there without them.

    Returns
    -------
    Fading or None
        ``None`` where nothing vanishes.
    """
    pairs, none = friedel_pairs(place), np.zeros(len(place), np.float32)
    found = _fading_of(intensity, pairs, columns, unseen, none)
    if found is not None or dark is None:
        return found
    alone = np.setdiff1d(np.arange(len(place)), pairs)
    units = np.concatenate([pairs, np.stack([alone, np.full(alone.size, -1)], axis=1)])
    return _fading_of(intensity, units, columns, unseen, dark)


def _fading_of(
    intensity: NDArray[np.float32],
    pairs: NDArray[np.int64],
    columns: NDArray[np.int64],
    unseen: float,
    dark: NDArray[np.float32],
) -> Fading | None:
    """What fades of some pairs; -1 for a partner that is not tracked."""
    intensity = intensity - dark
    paired, unlit = (_summed(light, pairs) for light in (intensity, dark[None]))
    enough = np.isfinite(paired).sum(axis=0) >= _FEWEST_MEMBERS // 2
    enough &= (unlit[0] == 0) | (_mean(paired) >= _ABOVE_DARK * unlit[0])
    pairs, paired = pairs[enough], paired[:, enough]
    if len(paired) < _FEWEST_MEMBERS or len(pairs) < 2 * _FEWEST_PAIRS:
        return None
    typical = _typical(paired)
    whole, known = _whole(paired, typical)
    whole = np.where(known >= _KNOWN, whole, np.nan)
    middle = float(np.median(whole[known >= _KNOWN])) if (known >= _KNOWN).any() else 0.0
    bright = whole > max(_FAINT * middle, 0.0)
    if np.count_nonzero(bright) < _FEWEST_MEMBERS:
        return None  # light that is only noise is often negative
    paired, whole = paired[bright], whole[bright]
    best, best_score = None, 0.0
    for fades in _candidates(paired / whole[:, None], typical, (pairs >= 0).mean(axis=1)):
        ratio = _ratio(paired, typical, fades)
        ratio = ratio[np.isfinite(ratio)]
        if ratio.size < _FEWEST_MEMBERS:
            continue
        none, full = (sum(ends) for ends in zip(*_crossed_ends(paired, typical, fades), strict=True))
        faded = float((ratio < full / 2).mean())
        if none > _GONE * full or not _LEAST_SHARE < full < _LARGEST_SHARE or not _PART < faded < 1 - _PART:
            continue
        if 2 * fades.sum() * unseen > _GONE * np.nanquantile(
            _whole(paired[:, fades], typical[fades])[0], _ENDS[1]
        ):
            continue
        if fades.sum() * full > best_score:
            best_score = fades.sum() * full
            fading, staying = (part[part >= 0] for part in (pairs[fades], pairs[~fades]))
            both = np.concatenate([fading, staying])
            best = Fading(
                fading=columns[fading],
                staying=columns[staying],
                typical=_typical(intensity[:, both]),
                dark=dark[both],
                full=full,
                none=none,
            )
    return best


def _summed(light: NDArray[np.float32], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Light of each pair, or of the one of it that is tracked."""
    second = np.where(pairs[:, 1] >= 0, light[:, pairs[:, 1]], 0.0)
    return np.asarray(light[:, pairs[:, 0]] + second, np.float32)


def _typical(intensity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of what is known of each column."""
    return np.maximum(_mean(intensity), _LEAST_LIGHT)


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(known.sum(axis=0), 1), np.float32)


def _whole(
    intensity: NDArray[np.float32], typical: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Summed light of each row, what is unknown made up for, and the part of it that is known."""
    known = np.where(np.isfinite(intensity), typical / max(float(typical.sum()), 1e-9), 0.0).sum(axis=1)
    light = np.nan_to_num(intensity).sum(axis=1) / np.maximum(known, 1e-6)
    return light.astype(np.float32), known.astype(np.float32)


def _ratio(
    light: NDArray[np.float32], typical: NDArray[np.float32], fades: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Light of the fading columns over that of the others in each row; NaN where less than a quarter of either is
    known: a reflection of which nothing is known has not faded."""
    fading, fading_known = _whole(light[:, fades], typical[fades])
    staying, staying_known = _whole(light[:, ~fades], typical[~fades])
    ratio = np.where(staying > 0, fading / np.maximum(staying, 1e-6), 0.0)
    enough = np.minimum(fading_known, staying_known) >= _KNOWN
    return np.asarray(np.where(enough, ratio, np.nan), np.float32)


def _candidates(
    share: NDArray[np.float32], typical: NDArray[np.float32], counts: NDArray[np.float64]
) -> list[NDArray[np.bool_]]:
    """Sets of pairs that vanish together: whichever follow one of the strongest variations, until the set
    follows its own light. Each counts 1, or a half where it is only half of a pair."""
    root = np.sqrt(np.maximum(share, 0.0))
    centred = np.nan_to_num(root - _mean(root))
    _, _, axes = np.linalg.svd(centred[:: max(1, len(centred) // 2000)], full_matrices=False)
    found: list[NDArray[np.bool_]] = []
    for axis in axes[:_VARIATIONS]:
        for score in (centred @ axis, -(centred @ axis)):
            fades = _vanishing(share, score)
            for _ in range(_ROUNDS):
                if _are_few(fades, counts) or fades.all():
                    break
                again = _vanishing(share, _ratio(share, typical, fades))
                if np.array_equal(again, fades):
                    tried = [fades, *(_without(fades, counts) if counts.min() < 1 else [])]
                    found += [each for each in tried if _vanish_together(share, typical, each)]
                    break
                fades = again
    return found


def _are_few(fades: NDArray[np.bool_], counts: NDArray[np.float64]) -> bool:
    return bool(counts[fades].sum() < _FEWEST_PAIRS or (counts[fades] == 1).sum() < _FEWEST_WHOLE)


def _without(fades: NDArray[np.bool_], counts: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """The set without each one in turn, where that leaves enough: one that overlaps another crystal's vanishes
    only in part."""
    each = [fades & (np.arange(fades.size) != unit) for unit in np.flatnonzero(fades)]
    return [rest for rest in each if not _are_few(rest, counts)]


def _vanish_together(share: NDArray[np.float32], typical: NDArray[np.float32], fades: NDArray[np.bool_]) -> bool:
    """Whether either half of the pairs is gone where the other half says so."""
    return all(low <= _GONE_ELSEWHERE * high for low, high in _crossed_ends(share, typical, fades))


def _crossed_ends(
    light: NDArray[np.float32], typical: NDArray[np.float32], fades: NDArray[np.bool_]
) -> list[tuple[float, float]]:
    """Mean light of either half of the fading pairs where the other half has least and most: its own noise has
    no part in where that is."""
    rest = ~fades
    number = np.flatnonzero(fades)
    halves = []
    for first in (0, 1):
        half = np.isin(np.arange(fades.size), number[first::2])
        use = half | rest
        halves.append(_ratio(light[:, use], typical[use], half[use]))
    ends = []
    for own, other in (halves, halves[::-1]):
        low, high = (float(_mean(other[end][:, None])[0]) for end in _ends(own))
        ends.append((low, high))
    return ends


def _ends(score: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Positions at the low and at the high end of a score."""
    known = score[np.isfinite(score)]
    if known.size == 0:
        return np.zeros(score.size, np.bool_), np.zeros(score.size, np.bool_)
    low, high = np.quantile(known, [_ENDS[0] * 2, 1 - _ENDS[0] * 2])
    return score <= low, score >= high


def _vanishing(share: NDArray[np.float32], score: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pairs that have nearly nothing left at the low end of a score."""
    bottom, top = (share[end] for end in _ends(score))
    seen = np.minimum(np.isfinite(bottom).sum(axis=0), np.isfinite(top).sum(axis=0)) >= _LEAST_AT_ENDS
    return np.asarray(seen & (_mean(bottom) < _GONE * _mean(top)))
