"""Reciprocal size of a pixel from a lattice spacing that is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.calibrate.evidence import directions
from livebragg.errors import CalibrationError

_TOLERANCE = 0.05
"""The ring lies within this part of the radius that was given for it."""
_STRAINED = 0.004
"""Crystals whose radii differ by three times this part may all lie on the ring: they are strained."""
_FEWEST_CRYSTALS = 3


def pixel_size(
    offsets: NDArray[np.floating],
    spacing_angstrom: float,
    radius: float,
    crystal: NDArray[np.integer] | None = None,
) -> tuple[float, float]:
    """Pixel size from the tracked peaks on one ring, and its standard error.

    Peaks of one crystal share its strain, and opposite peaks the direction: where three crystals or more have
    peaks on the ring, the scatter between them tells the error (peaks of no crystal are left out), else that
    between directions.

    Parameters
    ----------
    offsets : NDArray, shape (n, 2)
        Peaks relative to the origin in pixels, the ellipse taken back.
    spacing_angstrom : float
        Lattice spacing d of the ring.
    radius : float
        About where the ring is, in pixels (within 5 %).
    crystal : NDArray[np.integer], shape (n,), optional
        Which crystal each peak belongs to; negative for none.

    Returns
    -------
    tuple of float
        Pixel size in 1/angstrom (``1 / (d R)``; no factor of 2 pi), and its standard error.

    Raises
    ------
    CalibrationError
        Fewer than 4 peaks lie there.

    Examples
    --------
    >>> import numpy as np
    >>> ring = 25.0 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    >>> pixel_size(ring, 2.0, 24.5)
    (0.02, 0.0)
    """
    length = np.hypot(*np.asarray(offsets, np.float64).T)
    on_ring = np.abs(length - radius) < _TOLERANCE * radius
    near = length[on_ring]
    if near.size < 4:
        raise CalibrationError(
            f"{near.size} tracked peaks lie within 5 % of the radius {radius:g} px; the pixel size needs 4 on the "
            f"ring of spacing {spacing_angstrom:g} angstrom: correct analysis.calibration.reference_radius_px"
        )
    middle = float(np.median(near))
    far = np.abs(near - middle)
    keep = far <= 3 * max(1.4826 * float(np.median(far)), _STRAINED * middle)
    place = np.flatnonzero(on_ring)[keep]
    drawn = np.full(place.size, -1) if crystal is None else crystal[place]
    owned = drawn >= 0
    if np.unique(drawn[owned]).size >= _FEWEST_CRYSTALS:
        place, drawn = place[owned], drawn[owned]  # the others would weigh as much as a crystal together
    else:
        drawn = directions(np.asarray(offsets, np.float64)[place])
    mean, error = _mean(length[place], drawn)
    size = 1.0 / (spacing_angstrom * mean)
    return size, size * error / mean


def _mean(length: NDArray[np.float64], drawn: NDArray[np.integer]) -> tuple[float, float]:
    """Mean of the lengths and its standard error; what is drawn at random are the groups."""
    number = np.unique(drawn, return_inverse=True)[1]
    own = np.bincount(number, length) / np.bincount(number)
    mean = float(own.mean())
    return mean, float(own.std(ddof=1) / np.sqrt(own.size)) if own.size > 1 else float(length.std())
