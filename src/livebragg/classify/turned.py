"""Two crystals in one class whose reflections lie closer together than the peaks that can be tracked.

At a low dose two grains a few degrees apart, or two phases whose spacings differ by a few per cent, share every
tracked peak, and no pattern tells them apart. Where the disks lie about their peaks does: all of them together
give the turn and the stretch of a position much better than one disk its place.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.components import COHERENT, evenly
from livebragg.classify.forced import Vectors
from livebragg.classify.grid import beside
from livebragg.classify.nmf import Factors
from livebragg.classify.novelty import coherence, joining_cost
from livebragg.model import TrackedPeaks
from livebragg.model.arrays import ragged

_FEWEST_DISKS = 3
_FEWEST_POSITIONS = 16
"""Positions of each of the two."""
_SEPARATION = 4.0
"""Distance of the two means in standard deviations of either; an even bend reaches 3.5, one crystal 3.0."""
_APART = 0.6
"""Distance of the two, in pixels, at the mean square distance of their disks from the origin: less is strain."""
_STRAIN = 0.3
"""Scatter of disks about their peaks, in pixels, that is not counting noise."""
_CERTAIN = 30.0
_HEARSAY = 1.5
"""Largest logarithm of odds that a position takes over from one neighbour."""
_PURE = 0.3
"""Positions whose unexplained part is larger are left out where a turn is learned."""
_ALIKE = 0.5
"""Cosine of the patterns that the two would have if their peaks could be told apart; it cannot be measured."""
_SAMPLE = 3000
_LEARN_AGAIN = 1.3
_LEARN_FROM = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Deformation:
    """How the disks of some positions lie about their peaks.

    Parameters
    ----------
    position : NDArray[np.int64], shape (n,)
        Scan index of the positions with enough disks.
    value : NDArray[np.float64], shape (n, 2)
        Turn in radians (from qx to qy) and stretch, relative to the peaks.
    error : NDArray[np.float64], shape (n,)
        Standard error of either.
    radius : NDArray[np.float64], shape (n,)
        Root of the mean square distance of the disks from the origin, in pixels.
    """

    position: NDArray[np.int64]
    value: NDArray[np.float64]
    error: NDArray[np.float64]
    radius: NDArray[np.float64]

    @property
    def faint(self) -> bool:
        """Whether the disks of most positions could not tell two crystals without their neighbours."""
        return self.error.size > 0 and float(np.median(self.error * self.radius)) > _APART / 2


def deformation(
    vectors: Vectors,
    matched: NDArray[np.signedinteger],
    positions: NDArray[np.int64],
    origins: NDArray[np.float32],
    peaks: TrackedPeaks,
    fewest: int = _FEWEST_DISKS,
) -> Deformation:
    """Least squares fit of a turn and a stretch to the disks of each position.

    Parameters
    ----------
    vectors : Vectors
        Disks of the scan.
    matched : NDArray, shape (n_disks,)
        Id of the peak of each disk, negative for none.
    positions : NDArray[np.int64], shape (m,)
        Scan indices of positions that have arrived.
    origins : NDArray[np.float32], shape (n_positions, 2)
        Origin of every position.
    peaks : TrackedPeaks
        The present peaks.
    fewest : int
        Disks on tracked peaks that a position needs.
    """
    place = np.full((max(int(peaks.peak_id.max(initial=-1)), int(matched.max(initial=-1))) + 2, 2), np.nan)
    place[peaks.peak_id] = np.stack([peaks.qx, peaks.qy], axis=1)
    row, disk = ragged(vectors.start[positions], np.maximum(vectors.count[positions], 0))
    peak = place[np.maximum(matched[disk], -1)]  # a disk without a peak finds the last row, which no peak has
    off = np.stack([vectors.qx[disk], vectors.qy[disk]], axis=1) - origins[positions[row]] - peak
    known = np.isfinite(off[:, 0])
    row, peak, off, weight = row[known], peak[known], off[known], _weight(vectors.place_error(disk[known]))
    across, along = peak[:, 0] * off[:, 1] - peak[:, 1] * off[:, 0], (peak * off).sum(axis=1)
    square = (peak**2).sum(axis=1)
    n, w, ww = (np.bincount(row, of, positions.size) for of in (np.ones(row.size), weight, weight * square))
    enough = np.flatnonzero((n >= fewest) & (ww > 0))
    sums = np.stack([np.bincount(row, weight * of, positions.size) for of in (across, along)], axis=1)
    return Deformation(
        position=positions[enough],
        value=sums[enough] / ww[enough, None],
        error=1 / np.sqrt(ww[enough]),
        radius=np.sqrt(ww[enough] / w[enough]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Where the two crystals of a class lie.

    Parameters
    ----------
    axis : int
        0: they are turned, 1: stretched against each other.
    first, second : float
        Mean of the one the class is named after, and of the other.
    spread : float
        Standard deviation of either.
    """

    axis: int
    first: float
    second: float
    spread: float

    def part(self, found: Deformation, positions: NDArray[np.int64], cols: int) -> NDArray[np.float32]:
        """Probability that positions show the first, shape (m,), given in rising order.

        Both are as likely before, but for what the neighbours say: those on the scan line of `cols` positions, or
        where disks are few those on the next ones too.
        """
        variance = found.error**2 + (self.spread / 2) ** 2
        away = found.value[:, self.axis] - (self.first + self.second) / 2
        odds = np.zeros(positions.size)
        odds[np.searchsorted(positions, found.position)] = np.clip(
            away * (self.first - self.second) / variance, -_CERTAIN, _CERTAIN
        )
        hearsay = np.clip(odds, -_HEARSAY, _HEARSAY)
        if found.faint:
            odds += _from_around(hearsay[:, None], positions, cols)[:, 0]
        else:
            follows = np.diff(positions) == 1
            odds[1:] += np.where(follows, hearsay[:-1], 0.0)
            odds[:-1] += np.where(follows, hearsay[1:], 0.0)
        return (1 / (1 + np.exp(-odds))).astype(np.float32)


def find_turn(found: Deformation, cols: int, before: Turn | None = None) -> Turn | None:
    """Look for two crystals among the positions of a class, given in rising order.

    Parameters
    ----------
    found : Deformation
        Of its positions.
    cols : int
        Positions in a scan line.
    before : Turn, optional
        What was found before: the first of the two stays the first.
    """
    if found.error.size < 2 * _FEWEST_POSITIONS:
        return None
    sure = found.error <= 2 * np.median(found.error)
    best, best_separation = None, _SEPARATION
    position, radius = found.position[sure], float(np.median(found.radius[sure]))
    weight = 1 / found.error[sure] ** 2
    for axis in (0, 1):
        value = found.value[sure, axis]
        smooth = _around(value, weight, position, cols) if found.faint else _beside(value, position)
        high = _two_halves(smooth)
        if high is None:
            continue
        limit = (smooth[high].min() + smooth[~high].max()) / 2
        judges, judged = _blocks(value, weight, position, cols) if found.faint else (position, value)
        above = judged > limit  # each by its own disks, or chance would do
        if coherence(judges[~above], judges[above]) < COHERENT:
            continue
        gap, spread = _gap(smooth, high)
        separation = gap / max(spread, 1e-9)
        if separation > best_separation and gap * radius >= _APART:
            high_first = bool(2 * high.sum() > high.size)
            if before is not None and before.axis == axis:
                high_first = before.first > before.second
            means = float(value[high].mean()), float(value[~high].mean())
            first, second = means if high_first else means[::-1]
            best = Turn(axis=axis, first=first, second=second, spread=_gap(value, high)[1])
            best_separation = separation
    return best


def _beside(value: NDArray[np.float64], position: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of each value and those of its neighbours on the scan line: domains are wider than one position."""
    total, number = value.copy(), np.ones(value.size)
    follows = np.diff(position) == 1
    total[1:] += np.where(follows, value[:-1], 0.0)
    total[:-1] += np.where(follows, value[1:], 0.0)
    number[1:] += follows
    number[:-1] += follows
    return np.asarray(total / number)


def _from_around(values: NDArray[np.float64], position: NDArray[np.int64], cols: int) -> NDArray[np.float64]:
    """Sums (n, k) of what the neighbours of each position have."""
    size = int(position.max(initial=-1)) + 1
    everywhere = np.zeros((size, values.shape[1]))
    everywhere[position] = values
    total = np.zeros_like(values)
    for where, there in beside(position, size, cols):
        total[where] += everywhere[there]
    return total


def _around(
    value: NDArray[np.float64], weight: NDArray[np.float64], position: NDArray[np.int64], cols: int
) -> NDArray[np.float64]:
    """Weighted mean of each value and those of all its neighbours."""
    own = np.stack([value * weight, weight], axis=1)
    total = own + _from_around(own, position, cols)
    return np.asarray(total[:, 0] / total[:, 1])


def _blocks(
    value: NDArray[np.float64], weight: NDArray[np.float64], position: NDArray[np.int64], cols: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Weighted means of blocks of two by two positions, which share no disks, and where in a scan of blocks they
    are; with one left out at the end of each line, so that it is not beside the next one's beginning."""
    block = (position // cols // 2) * (-(-cols // 2) + 1) + position % cols // 2
    which, place = np.unique(block, return_inverse=True)
    return which, np.bincount(place, value * weight) / np.bincount(place, weight)


def _gap(value: NDArray[np.float64], high: NDArray[np.bool_]) -> tuple[float, float]:
    """Distance of the means of two groups, and the standard deviation about them."""
    low, above = value[~high], value[high]
    spread = np.sqrt((low.var() * low.size + above.var() * above.size) / value.size)
    return float(above.mean() - low.mean()), float(spread)


class TurnFinder:
    """Components that are two crystals, and the part of each position that belongs to the first.

    A component is looked at again when it leads at a third more positions.

    Parameters
    ----------
    scan_cols : int
        Positions in a scan line.
    """

    def __init__(self, scan_cols: int) -> None:
        self._cols = scan_cols
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.turns: dict[int, Turn] = {}
        """By permanent id of the component."""
        self._learned_on: dict[int, int] = {}

    def update(
        self,
        vectors: Vectors,
        matched: NDArray[np.signedinteger],
        origins: NDArray[np.float32],
        factors: Factors,
        leader: NDArray[np.int32],
        peaks: TrackedPeaks,
        final: bool = False,
        settled: Collection[int] = (),
    ) -> NDArray[np.float32]:
        """Bring everything up to date; returns the part of every position, NaN where its component is one crystal.

        Parameters
        ----------
        vectors, matched, origins, peaks
            As for `deformation`.
        factors : Factors
            Of the same positions.
        leader : NDArray[np.int32], shape (n_positions,)
            Id of the leading component of every position, -1 for none.
        final : bool
            Learn everything anew.
        settled : collection of int
            Components about which nothing is learned, and which are not divided.
        """
        part = np.full(len(factors.weights), np.nan, np.float32)
        ids = [int(number) for number in factors.component_ids]
        alive = set(ids).difference(settled)
        self.turns = {number: turn for number, turn in self.turns.items() if number in alive}
        if not ids:
            return part
        led = np.bincount(leader + 1, minlength=max(ids) + 2)[1:]
        for number in ids:
            due = final or led[number] >= _LEARN_AGAIN * self._learned_on.get(number, _LEARN_FROM / _LEARN_AGAIN)
            if number not in alive or not (due or number in self.turns):
                continue
            members = np.flatnonzero(leader == number)
            if due:
                self._learned_on[number] = members.size
                disks = vectors, matched
                few = deformation(*disks, evenly(members, _SAMPLE), origins, peaks, fewest=1).faint
                pure = evenly(members[factors.novelty[members] < _PURE], _SAMPLE)
                sample, fewest = (members, 1) if few else (pure, _FEWEST_DISKS)
                self._learn(number, deformation(*disks, sample, origins, peaks, fewest))
            if number in self.turns:
                found = deformation(vectors, matched, members, origins, peaks, fewest=1)
                part[members] = self.turns[number].part(found, members, self._cols)
        return part

    def costs(self, part: NDArray[np.float32], leader: NDArray[np.int32]) -> dict[int, float]:
        """What is lost where a component that is two crystals is not divided, by id.

        Parameters
        ----------
        part : NDArray[np.float32], shape (n_positions,)
            As `update` returned it.
        leader : NDArray[np.int32], shape (n_positions,)
            As for `update`.
        """
        costs = {}
        for number in self.turns:
            mine = part[leader == number]
            costs[number] = float(joining_cost(np.sum(mine < 0.5), np.sum(mine >= 0.5), np.array(_ALIKE)))
        return costs

    def _learn(self, number: int, found: Deformation) -> None:
        turn = find_turn(found, self._cols, self.turns.pop(number, None))
        if turn is not None:
            self.turns[number] = turn


def _weight(error: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(1 / (error.astype(np.float64) ** 2 + _STRAIN**2))


def _two_halves(value: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Which values are above the cut that leaves the least variance on its two sides (Otsu, 1979)."""
    n = value.size
    if n < 2 * _FEWEST_POSITIONS:
        return None
    ordered = np.sort(value - value.mean())
    below = np.cumsum(ordered)[:-1]
    k = np.arange(1, n)
    between = below**2 / (k * (n - k))
    allowed = between[_FEWEST_POSITIONS - 1 : n - _FEWEST_POSITIONS]
    cut = int(np.argmax(allowed)) + _FEWEST_POSITIONS
    high = value - value.mean() >= ordered[cut]
    return high if min(high.sum(), (~high).sum()) >= _FEWEST_POSITIONS else None
