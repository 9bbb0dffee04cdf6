"""Reciprocal size of a pixel from a lattice spacing that is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import CalibrationError

_TOLERANCE = 0.05
"""The ring lies within this part of the radius that was given for it."""


def pixel_size(offsets: NDArray[np.floating], spacing_angstrom: float, radius: float) -> tuple[float, float]:
    """Pixel size from the tracked peaks on one ring, and its standard error.

    Parameters
    ----------
    offsets : NDArray, shape (n, 2)
        Peaks relative to the origin in pixels, the ellipse taken back.
    spacing_angstrom : float
        Lattice spacing d of the ring.
    radius : float
        About where the ring is, in pixels (within 5 %).

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
    near = length[np.abs(length - radius) < _TOLERANCE * radius]
    if near.size < 4:
        raise CalibrationError(
            f"{near.size} tracked peaks lie within 5 % of the radius {radius:g} px; the pixel size needs 4 on the "
            f"ring of spacing {spacing_angstrom:g} angstrom: correct analysis.calibration.reference_radius_px"
        )
    middle = float(np.median(near))
    ring = near[np.abs(near - middle) < 3 * max(1.4826 * float(np.median(np.abs(near - middle))), 1e-6)]
    ring = ring if ring.size else near
    size = 1.0 / (spacing_angstrom * float(ring.mean()))
    return size, size * float(ring.std() / ring.mean() / np.sqrt(ring.size))
