"""One surface from many frames, each at its own sub-pixel place.

Least squares for the values on a grid finer than the pixels: every pixel of every frame tells the value at the
grid point nearest to it, ``amount * surface(pixel - place)``. What the frames leave open, since they all lie at
the same phase, or tell with much noise, a penalty on third differences makes smooth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.detect.picture import Picture

_LEAST_STIFFNESS = 1e-4
"""Weight of the penalty relative to that of the windows, however many counts they have."""

_ITERATIONS = 300
_PRECISION = 1e-4
"""Of conjugate gradients: steps at most, and residual to stop at."""

_MOST_OFF = 4
"""Pixels by which a probe may be off the middle of its window."""

_STEPS = 3
"""Gauss-Newton steps of an alignment, from a place that is right to a pixel or so."""


@dataclass(frozen=True, slots=True)
class Window:
    """The probe's surroundings in one frame."""

    values: NDArray[np.float64]
    """(k, k): counts above the background."""
    good: NDArray[np.bool_]
    """(k, k): pixels that can be used."""
    place: tuple[float, float]
    """Probe's centre (row, column) against the middle pixel of the window."""
    amount: float
    """Counts of the whole probe."""


def pool(
    windows: list[Window], oversampling: int, stiffness: float, known: Picture | None = None
) -> NDArray[np.float64]:
    """Values of the common surface on a grid of `oversampling` points per pixel.

    Parameters
    ----------
    windows : list of Window
    oversampling : int
    stiffness : float
        Weight of the penalty, when the weight of a pixel of a typical window is 1.
    known : Picture, optional
        Nearly what comes out, which tells the values between the pixels and the grid points next to them.

    Returns
    -------
    NDArray[np.float64], shape (m, m)
        Its middle is the probe's centre; sum about ``oversampling**2``.
    """
    size = (windows[0].values.shape[0] + 2 * _MOST_OFF + 1) * oversampling + 1
    total = float(np.mean([w.amount for w in windows]))
    sums, weights = np.zeros((size, size)), np.zeros((size, size))
    for window in windows:
        amount = window.amount / total
        points, values = _on_grid(window, oversampling, size, known)
        sums[points] += amount * values / total * window.good
        weights[points] += amount**2 * window.good

    return _solve(weights, stiffness, sums)


def _solve(weights: NDArray[np.float64], stiffness: float, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares by conjugate gradients; without BLAS, whose threads take longer than such small sums."""
    values, rest = np.zeros_like(sums), sums.copy()
    along, size = rest.copy(), float((rest * rest).sum())
    enough = _PRECISION**2 * size
    for _ in range(_ITERATIONS):
        if not size > enough:
            break
        pushed = weights * along + stiffness * (_roughness(along) + _roughness(along.T).T)
        step = size / float((along * pushed).sum())
        values += step * along
        rest -= step * pushed
        size, before = float((rest * rest).sum()), size
        along = rest + (size / before) * along
    return values


def stiffness_for(windows: list[Window], oversampling: int, brightness: float, factor: float) -> float:
    """Weight of the penalty that suits the windows' noise.

    Noise over signal, as Wiener has it: third differences of an edge fall with the cube of the grid's step.

    Parameters
    ----------
    windows : list of Window
    oversampling : int
    brightness : float
        Part of the probe's counts in one of its bright pixels, which tells the noise.
    factor : float
        The more, the smoother.
    """
    total = float(np.mean([w.amount for w in windows]))
    return max(factor * oversampling**6 / (brightness * total), _LEAST_STIFFNESS * len(windows))


def _on_grid(
    window: Window, f: int, size: int, known: Picture | None
) -> tuple[tuple[slice, slice], NDArray[np.float64]]:
    """Grid points nearest to a window's pixels, and what the pixels would show if they were there."""
    k = window.values.shape[0]
    steps = [round((-(k // 2) - q) * f) for q in window.place]
    values = window.values
    if known is not None:
        rounded = (-(k // 2) - steps[0] / f, -(k // 2) - steps[1] / f)
        values = values + window.amount * (known.sample(rounded, k // 2) - known.sample(window.place, k // 2))
    first = [step + size // 2 for step in steps]
    return (slice(first[0], first[0] + k * f, f), slice(first[1], first[1] + k * f, f)), values


def align(window: Window, picture: Picture) -> Window:
    """Place and amount of the probe in a window that make the picture fit best (weighted as Poisson counts)."""
    place, amount, reach = window.place, window.amount, window.values.shape[0] // 2
    for _ in range(_STEPS):
        t, tr, tc = (picture.sample(place, reach, d) for d in ((0, 0), (1, 0), (0, 1)))
        use = window.good
        root = np.sqrt(1.0 / (np.maximum(t, 0.0) + 0.02 * t.max()))[use]
        terms = np.stack([t[use], tr[use], tc[use], np.ones(root.size)], axis=1)
        solution = np.linalg.lstsq(terms * root[:, None], window.values[use] * root, rcond=None)[0]
        if not solution[0] > 0.0:
            return window
        amount = float(solution[0])
        step = np.clip(solution[1:3] / amount, -1.0, 1.0)
        place = (place[0] + float(step[0]), place[1] + float(step[1]))
    if max(abs(place[0] - window.place[0]), abs(place[1] - window.place[1])) > _MOST_OFF - 0.5:
        return window
    return Window(window.values, window.good, place, amount)


def _roughness(c: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gradient of half the squared third differences along the rows."""
    third = np.diff(c, 3, axis=0)
    out = np.zeros_like(c)
    out[3:] += third
    out[2:-1] -= 3 * third
    out[1:-2] += 3 * third
    out[:-3] -= third
    return out
