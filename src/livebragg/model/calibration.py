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
        Standard error of each (root of the mean of both variances); 0 where it was given.
    source : str
        ``rings`` (peaks of several crystals), ``halo`` (smooth scattering), ``rings and halo``, ``crystal`` (of
        known symmetry), ``given``, ``file``.
    unequal : tuple of float
        ``(a, b)``: the covariance of ``(e1, e2)`` is ``error**2 * [[1 + a, b], [b, 1 - a]]``.
    residual : float
        Rings: scatter of the radii on a ring, as a part of the radius. Halo: misfit in units of the noise.
        Both: that of the rings.
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
    unequal: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(
        cls,
        e: NDArray[np.float64],
        covariance: NDArray[np.float64],
        source: str,
        *,
        residual: float = 0.0,
        n_used: int = 0,
    ) -> EllipseEstimate:
        """From ``(e1, e2)`` and their covariance, shape (2, 2)."""
        square = max(float(np.trace(covariance)) / 2, 1e-24)
        return cls(
            e1=float(e[0]),
            e2=float(e[1]),
            error=math.sqrt(square),
            source=source,
            residual=residual,
            n_used=n_used,
            unequal=(float(covariance[0, 0] / square - 1), float(covariance[0, 1] / square)),
        )

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
    def covariance(self) -> NDArray[np.float64]:
        """(2, 2): of ``e1`` and ``e2``."""
        a, b = self.unequal
        return np.asarray(self.error**2 * np.array([[1 + a, b], [b, 1 - a]]))

    @property
    def ratio_error(self) -> float:
        """Standard error of the ratio."""
        return 2 * self.ratio * self._error_along(self.e1, self.e2)

    @property
    def angle_error_deg(self) -> float:
        """Standard error of the angle, at most 90 degrees: then every direction is possible."""
        size, across = math.hypot(self.e1, self.e2), self._error_along(-self.e2, self.e1)
        return min(math.degrees(across / size / 2), 90.0) if size else (90.0 if self.error else 0.0)

    def _error_along(self, x: float, y: float) -> float:
        size = math.hypot(x, y)
        along = np.array([x / size, y / size]) if size else np.array([1.0, 0.0])
        return math.sqrt(max(float(along @ self.covariance @ along), 0.0))

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
