"""Where the undiffracted beam is at each scan position.

Descan moves the beam smoothly over the scan and jumps a little from line to line; the measured centre is
pulled about by counting noise and by contrast inside the disk. The model is a polynomial plus one offset per
scan line, fitted robustly; each position then gets the mean of model and measurement, weighted by their
uncertainties. What the measurements say beyond the model is either real or not: the other disks of the same
frames move along with a real shift of the pattern, so comparing the two (`learn_from_patterns`) tells how much
of the scatter to believe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.model import TrackedPeaks

_ROUNDS = 4
_ENOUGH = 20_000
_ALWAYS = 4096
"""Measurements up to which everything is fitted again whenever there are new ones; beyond that, lines that have
new ones get their offset at once, and everything is fitted again after each growth by a tenth."""
_GROWTH = 1.1
_FLOOR = 0.02
"""No model of the descan is trusted better than this, in pixels."""
_FEWEST_PATTERNS = 60
"""Positions needed to learn how real the scatter of the measurements is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginEstimate:
    """Origins of a scan.

    Parameters
    ----------
    origin : NDArray[np.float32], shape (n_positions, 2)
        Best estimate ``(qx, qy)`` in detector pixels; NaN where not seen.
    measured : NDArray[np.float32], shape (n_positions, 2)
        Direct measurements; NaN where there is none.
    model_error : float
        Standard deviation of the descan about the model, along one axis, in pixels.
    """

    origin: NDArray[np.float32]
    measured: NDArray[np.float32]
    model_error: float


class OriginTracker:
    """Origin per position from measured direct beams and a robust model of the descan.

    Parameters
    ----------
    scan_shape : tuple of int
        ``(scan_rows, scan_cols)``; rows may be added later.
    center : tuple of float
        Origin used as long as nothing was measured, in detector pixels.
    degree : int
        Degree of the polynomial.
    row_jitter : bool
        Give every scan line its own offset.
    systematic_error : float
        Error of a measurement beyond its counting statistics, in pixels.

    Examples
    --------
    >>> import numpy as np
    >>> tracker = OriginTracker((2, 2), center=(8.0, 8.0))
    >>> tracker.update(np.array([0, 1]), np.array([[7.5, 8, 0.01], [7.5, 8, 0.01]], np.float32))
    >>> tracker.origins(np.array([0])).round(2).tolist()
    [[7.5, 8.0]]
    """

    def __init__(
        self,
        scan_shape: tuple[int, int],
        center: tuple[float, float],
        *,
        degree: int = 2,
        row_jitter: bool = True,
        systematic_error: float = 0.1,
    ) -> None:
        self._scan_shape = scan_shape
        self._center = np.asarray(center, np.float64)
        self._powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
        self._row_jitter = row_jitter
        self._systematic_prior = systematic_error
        self.reset()

    def reset(self) -> None:
        """Forget all measurements."""
        n = self._scan_shape[0] * self._scan_shape[1]
        self._measured = np.full((n, 3), np.nan, np.float32)
        self._seen = np.zeros(n, np.bool_)
        self._coefficients = np.zeros((len(self._powers), 2))
        self._coefficients[0] = self._center
        self._scale = (1.0, 1.0)
        self._spread = 0.0
        self._systematic = self._systematic_prior
        self._believed: float | None = None
        self._fitted_on = 0
        self._n_usable = 0
        self._counting = 0.0
        self._row_prior = 0.01
        self._touched: set[int] = set()

    def update(self, scan_index: NDArray[np.int64], direct_beam: NDArray[np.float32]) -> None:
        """Take measured centres ``(qx, qy, standard error)``, shape (n, 3); NaN where not found."""
        self._make_room(int(scan_index.max(initial=-1)) + 1)
        again = np.unique(scan_index[self._seen[scan_index]])
        self._n_usable -= int(np.isfinite(self._measured[again]).all(axis=1).sum())
        self._measured[scan_index] = direct_beam
        self._seen[scan_index] = True
        self._n_usable += int(np.isfinite(direct_beam).all(axis=1).sum())
        self._touched.update(np.unique(scan_index // self._scan_shape[1]).tolist())

    def measured(self, scan_index: NDArray[np.int64]) -> NDArray[np.float32]:
        """What `update` was told of some positions, shape (n, 3)."""
        return self._measured[scan_index]

    def origins(self, scan_index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Best present estimate for some positions, shape (n, 2), in detector pixels."""
        self._refit()
        model, variance = self._model(scan_index)
        measured = self._measured[scan_index].astype(np.float64)
        noise = measured[:, 2] ** 2 + self._systematic**2
        total = variance + noise
        difference = measured[:, :2] - model
        believed = np.sum(difference**2, axis=1) < 2 * 25 * total
        gain = np.where(believed, variance / total, 0.0)
        shift = gain[:, None] * np.where(believed[:, None], difference, 0.0)
        return np.asarray(model + shift, np.float32)

    def learn_from_patterns(self, scan_index: NDArray[np.int64], pattern_origin: NDArray[np.float32]) -> None:
        """Learn how much of the measurements' scatter about the model is real.

        Parameters
        ----------
        scan_index : NDArray[np.int64], shape (n,)
            Positions with several disks on tracked peaks.
        pattern_origin : NDArray[np.float32], shape (n, 2)
            Origin that those disks (not the direct beam) suggest; see `pattern_origins`.
        """
        self._refit()
        model, _ = self._model(scan_index)
        measured = self._measured[scan_index, :2] - model
        usable = np.hypot(*measured.T) < 5 * max(self._spread, _FLOOR)
        if usable.sum() < _FEWEST_PATTERNS:
            return
        measured, pattern = measured[usable], (pattern_origin - model)[usable]
        pattern = pattern - np.median(pattern, axis=0)
        weight = _huber(pattern)[:, None]
        slope = np.sum(weight * pattern * measured) / max(float(np.sum(weight * measured**2)), 1e-12)
        self._believed = float(np.clip(slope, 0.0, 1.0))
        noise = (1 - self._believed) * self._spread**2 - self._counting_error() ** 2
        self._systematic = float(np.sqrt(max(noise, 0.0)))

    @property
    def model_error(self) -> float:
        """Standard deviation of the descan about the model, along one axis, in pixels."""
        self._refit()
        return self._model_error()

    def snapshot(self) -> OriginEstimate:
        """Copy of all estimates."""
        origin = np.full((self._seen.size, 2), np.nan, np.float32)
        seen = np.flatnonzero(self._seen)
        origin[seen] = self.origins(seen)
        return OriginEstimate(
            origin=origin, measured=self._measured[:, :2].copy(), model_error=self._model_error()
        )

    def _refit(self) -> None:
        if not self._touched:
            return
        touched = np.array(sorted(self._touched), np.int64)
        self._touched.clear()
        if self._n_usable > _ALWAYS and self._n_usable < _GROWTH * self._fitted_on:
            self._fit_lines(touched)
            return
        usable = np.flatnonzero(np.isfinite(self._measured).all(axis=1))
        if usable.size == 0:
            return
        errors = self._measured[:, 2]
        self._counting = float(np.median(errors[np.isfinite(errors)]))
        self._fit_polynomial(usable)
        self._fitted_on = usable.size
        self._fit_rows(usable, self._smooth(usable))

    def _fit_polynomial(self, usable: NDArray[np.int64]) -> None:
        sample = usable[:: max(1, usable.size // _ENOUGH)]
        rows = sample // self._scan_shape[1]
        self._scale = (max(float(rows.max()), 1.0), max(float(self._scan_shape[1] - 1), 1.0))
        terms = self._terms(sample)
        target = self._measured[sample, :2].astype(np.float64)
        counting = 1.0 / (self._measured[sample, 2].astype(np.float64) ** 2 + self._systematic**2 + _FLOOR**2)
        weight = counting.copy()
        self._row_offset = np.zeros((int(rows.max()) + 1, 2))
        # A faint pull to zero keeps terms that the first lines cannot know from running away.
        pull = np.eye(len(self._powers)) * 1e-6
        pull[0, 0] = 0.0
        for _ in range(_ROUNDS):
            weighted = terms * (weight / weight.sum())[:, None]
            rest = target - self._row_offset[rows]
            self._coefficients = np.linalg.solve(terms.T @ weighted + pull, weighted.T @ rest)
            residual = target - terms @ self._coefficients
            if self._row_jitter:
                self._row_offset = _row_means(rows, residual, weight)
            weight = counting * _huber(residual - self._row_offset[rows])

    def _fit_rows(self, usable: NDArray[np.int64], smooth: NDArray[np.float64]) -> None:
        rows = usable // self._scan_shape[1]
        n_rows = int(rows.max()) + 1
        residual = self._measured[usable, :2] - smooth
        self._row_count = np.bincount(rows, minlength=n_rows).astype(np.float64)
        self._row_offset, self._row_variance = np.zeros((n_rows, 2)), np.zeros(n_rows)
        if self._row_jitter:
            clipped = _huber(residual - _row_medians(rows, residual, n_rows)[rows])
            self._row_offset = _row_means(rows, residual, clipped)
        inside = residual - self._row_offset[rows]
        self._spread = float(np.mean(_robust_std(inside)))
        if self._row_jitter:
            seen = self._row_count > 0
            noise = self._spread**2 / self._row_count[seen]
            self._row_prior = max(float(np.mean(self._row_offset[seen] ** 2) - np.mean(noise)), 0.01)
            self._shrink_rows(np.arange(n_rows))

    def _fit_lines(self, lines: NDArray[np.int64]) -> None:
        """Offsets of some lines, everything else as it was."""
        if not self._row_jitter or lines.size == 0:
            return
        cols = self._scan_shape[1]
        near = (lines[:, None] * cols + np.arange(cols)).reshape(-1)
        near = near[near < len(self._measured)]
        usable = near[np.isfinite(self._measured[near]).all(axis=1)]
        more = int(lines.max()) + 1 - self._row_count.size
        if more > 0:
            self._row_count = np.pad(self._row_count, (0, more))
            self._row_offset = np.pad(self._row_offset, ((0, more), (0, 0)))
            self._row_variance = np.pad(self._row_variance, (0, more), constant_values=self._row_prior)
        if usable.size == 0:
            return
        place = np.searchsorted(lines, usable // cols)
        residual = self._measured[usable, :2] - self._smooth(usable)
        clipped = _huber(residual - _row_medians(place, residual, lines.size)[place])
        number = np.bincount(place, minlength=lines.size)
        offset = np.zeros((lines.size, 2))
        offset[: place.max() + 1] = _row_means(place, residual, clipped)
        self._row_count[lines], self._row_offset[lines] = number, offset
        self._shrink_rows(lines)

    def _shrink_rows(self, lines: NDArray[np.int64]) -> None:
        """Hold offsets of lines with few measurements nearer to zero."""
        with np.errstate(divide="ignore"):
            noise = self._spread**2 / self._row_count[lines]
        self._row_offset[lines] *= (self._row_prior / (self._row_prior + noise))[:, None]
        self._row_variance[lines] = 1.0 / (1.0 / self._row_prior + 1.0 / noise)

    def _counting_error(self) -> float:
        return self._counting

    def _model_error(self) -> float:
        """Standard deviation of the real shifts that the model does not know."""
        if self._believed is None:
            real = self._spread**2 - self._counting_error() ** 2 - self._systematic**2
        else:
            real = self._believed * self._spread**2
        return float(np.sqrt(max(real, _FLOOR**2)))

    def _model(self, scan_index: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        model = self._smooth(scan_index)
        variance = np.full(scan_index.size, self._model_error() ** 2)
        if self._fitted_on and self._row_jitter:
            rows = scan_index // self._scan_shape[1]
            known = rows < self._row_count.size
            model[known] += self._row_offset[rows[known]]
            variance[known] += self._row_variance[rows[known]]
        return model, variance

    def _smooth(self, scan_index: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._terms(scan_index) @ self._coefficients

    def _terms(self, scan_index: NDArray[np.int64]) -> NDArray[np.float64]:
        rows, cols = np.divmod(scan_index, self._scan_shape[1])
        r, c = rows / self._scale[0] - 0.5, cols / self._scale[1] - 0.5
        return np.stack([r**i * c**j for i, j in self._powers], axis=1)

    def _make_room(self, needed: int) -> None:
        if needed > self._seen.size:
            room = max(needed, self._seen.size + self._seen.size // 2)
            measured = np.full((room, 3), np.nan, np.float32)
            measured[: self._seen.size] = self._measured
            seen = np.zeros(room, np.bool_)
            seen[: self._seen.size] = self._seen
            self._measured, self._seen = measured, seen


def pattern_origins(
    disks: NDArray[np.float32],
    column: NDArray[np.signedinteger],
    owner: NDArray[np.int64],
    peaks: TrackedPeaks,
    least: int = 4,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Origin that the Bragg disks of a position suggest: mean distance from the tracked peaks they belong to.

    Parameters
    ----------
    disks : NDArray[np.float32], shape (n_disks, 2)
        ``(qx, qy)`` in detector pixels.
    column : NDArray, shape (n_disks,)
        Id of the tracked peak of each disk, negative for none.
    owner : NDArray[np.int64], shape (n_disks,)
        Scan index of each disk.
    peaks : TrackedPeaks
        Peaks by id, relative to the origin.
    least : int
        Disks a position needs.

    Returns
    -------
    tuple of NDArray
        Scan indices (n,) and origins (n, 2).
    """
    place = np.full((max(int(peaks.peak_id.max(initial=-1)), int(column.max(initial=-1))) + 1, 2), np.nan)
    place[peaks.peak_id] = np.stack([peaks.qx, peaks.qy], axis=1)
    used = column >= 0
    suggested = disks[used] - place[column[used]]
    alive = np.isfinite(suggested[:, 0])
    owners, suggested = owner[used][alive], suggested[alive]
    number = np.bincount(owners)
    enough = np.flatnonzero(number >= least)
    sums = np.stack([np.bincount(owners, suggested[:, axis]) for axis in (0, 1)], axis=1)
    return enough, (sums[enough] / number[enough, None]).astype(np.float32)


def _robust_std(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = 1.4826 * np.median(np.abs(residual - np.median(residual, axis=0)), axis=0)
    return np.asarray(np.maximum(spread, 1e-3))


def _huber(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that fall beyond two, and vanish beyond six standard deviations."""
    distance = np.hypot(*(residual / _robust_std(residual)).T)
    return np.where(distance > 6, 1e-6, np.minimum(1.0, 2.0 / np.maximum(distance, 1e-9)))


def _row_means(
    rows: NDArray[np.int64], residual: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    total = np.maximum(np.bincount(rows, weight), 1e-12)
    return np.stack([np.bincount(rows, weight * residual[:, axis]) / total for axis in (0, 1)], axis=1)


def _row_medians(rows: NDArray[np.int64], residual: NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
    medians = np.zeros((n_rows, 2))
    order = np.argsort(rows, kind="stable")
    edges = np.flatnonzero(np.diff(rows[order])) + 1
    for part in np.split(order, edges):
        medians[rows[part[0]]] = np.median(residual[part], axis=0)
    return medians
