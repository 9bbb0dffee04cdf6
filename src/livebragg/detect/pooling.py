"""One surface from many frames, each at its own sub-pixel place.

Least squares for the coefficients of a cubic B-spline finer than the pixels: every frame gives one value per pixel of
``amount * surface(pixel - place)``. What the frames leave open, since they all lie at the same phase, a small penalty on
third differences fills in smoothly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import LinearOperator, cg

from livebragg.detect.picture import Picture, basis

_STIFFNESS = 0.02
"""Weight of the penalty relative to that of the frames: it halves what is finer than two grid points."""

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


def pool(windows: list[Window], oversampling: int) -> NDArray[np.float64]:
    """Values of the common surface on a grid of `oversampling` points per pixel.

    Returns
    -------
    NDArray[np.float64], shape (m, m)
        Its middle is the probe's centre; sum about ``oversampling**2``.
    """
    f, k = oversampling, windows[0].values.shape[0]
    m = (k + 1) * f + 1
    axis = np.arange(k) - k // 2
    weights = np.array([w.amount for w in windows]) / np.mean([w.amount for w in windows])
    parts = []
    for window, amount in zip(windows, weights, strict=True):
        rows, cols = (
            sparse.csr_array(amount**0.5 * basis((axis - q) * f + m // 2, m)) for q in window.place
        )
        parts.append((rows, cols, window))
    stiffness = _STIFFNESS * float((weights**2).sum()) / f**2

    def normal(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        c = flat.reshape(m, m)
        out = stiffness * (_roughness(c) + _roughness(c.T).T)
        for rows, cols, window in parts:
            out += rows.T @ (((rows @ c) @ cols.T) * window.good) @ cols
        return np.asarray(out.ravel())

    total = float(np.mean([w.amount for w in windows]))
    right = np.sum([r.T @ (w.values * w.good / total) @ c for r, c, w in parts], axis=0)
    solution, _ = cg(LinearOperator((m * m, m * m), normal, dtype=np.float64), right.ravel(), rtol=1e-4, maxiter=200)
    return np.asarray(ndimage.convolve(solution.reshape(m, m), np.outer(_ON_GRID, _ON_GRID), mode="constant"))


_ON_GRID = basis(np.arange(3.0), 3)[1]
"""Value of a B-spline at its own and the two neighbouring points of the grid."""


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
    if max(abs(place[0] - window.place[0]), abs(place[1] - window.place[1])) > 3.0:
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
