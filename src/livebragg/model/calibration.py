"""What is known about the geometry of the detector, beside the origin of every position."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class EllipseEstimate:
    """Elliptical distortion: a ring of radius R is seen at ``R (1 + e1 cos 2 phi + e2 sin 2 phi)``.

    Parameters
    ----------
    e1, e2 : float
        Logarithmic stretch along the rows (``e1 > 0``), and along the diagonal.
    error : float
        Standard error of each; 0 where it was given.
    source : str
        ``rings`` (peaks of several crystals), ``halo`` (smooth scattering), ``given``, ``file``.
    residual : float
        Rings: scatter of the radii on a ring, as a part of the radius. Halo: misfit in units of the noise.
    n_used : int
        Peaks on rings, or pixels of the halo.

    Examples
    --------
    >>> estimate = EllipseEstimate.from_axes(1.03, 35.0, source="given")
    >>> round(estimate.ratio, 6), round(estimate.angle_deg, 6)
    (1.03, 35.0)
    """

    e1: float
    e2: float
    error: float
    source: str
    residual: float = 0.0
    n_used: int = 0

    @classmethod
    def from_axes(cls, ratio: float, angle_deg: float, source: str, error: float = 0.0) -> EllipseEstimate:
        """From long over short axis, and the direction of the long one from the row axis to the column axis."""
        half, double = math.log(ratio) / 2, 2 * math.radians(angle_deg)
        return cls(e1=half * math.cos(double), e2=half * math.sin(double), error=error, source=source)

    @property
    def ratio(self) -> float:
        """Long over short axis."""
        return math.exp(2 * math.hypot(self.e1, self.e2))

    @property
    def angle_deg(self) -> float:
        """Direction of the long axis, -90 to 90 degrees from the row axis towards the column axis."""
        return math.degrees(math.atan2(self.e2, self.e1)) / 2

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(2, 2): from measured to true offsets from the origin; symmetric, of unit determinant."""
        size = math.hypot(self.e1, self.e2)
        factor = math.sinh(size) / size if size else 1.0
        stretch = np.array([[self.e1, self.e2], [self.e2, -self.e1]])
        return np.asarray(math.cosh(size) * np.eye(2) - factor * stretch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """From offsets on the detector, in pixels about the origin, to reciprocal space.

    The order is: ellipse, pixel size, flip (of the columns), rotation.

    Parameters
    ----------
    ellipse : EllipseEstimate or None
        ``None``: not known, taken as circles.
    ellipse_note : str
        Why it is not known.
    q_pixel_size_inv_angstrom : float or None
        Reciprocal length of a pixel; ``None``: not known, results stay in pixels.
    q_pixel_size_error : float
        Its standard error; 0 where it was given.
    q_pixel_size_note : str
        Why it could not be measured.
    rotation_deg : float
        From scan to detector axes, from rows towards columns.
    flip : bool
        Whether the detector's columns run the other way.
    """

    ellipse: EllipseEstimate | None = None
    ellipse_note: str = ""
    q_pixel_size_inv_angstrom: float | None = None
    q_pixel_size_error: float = 0.0
    q_pixel_size_note: str = ""
    rotation_deg: float = 0.0
    flip: bool = False

    @property
    def shape_matrix(self) -> NDArray[np.float64]:
        """(2, 2): ellipse, flip and rotation, still in pixels."""
        angle = math.radians(self.rotation_deg)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        flip = np.diag([1.0, -1.0 if self.flip else 1.0])
        ellipse = np.eye(2) if self.ellipse is None else self.ellipse.matrix
        return np.asarray(turn @ flip @ ellipse)

    def apply(self, offsets: NDArray[np.floating]) -> NDArray[np.float64]:
        """Offsets from the origin in pixels, shape (n, 2), in 1/angstrom, or in pixels without a pixel size."""
        return np.asarray(offsets, np.float64) @ self.shape_matrix.T * (self.q_pixel_size_inv_angstrom or 1.0)
