"""The picture of one disk that frames are compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import chndtr, ndtr

from livebragg.errors import ProbeError
from livebragg.kernels.fit import PHASES
from livebragg.model import ProbeShape

_TAIL = 2e-3
"""The template ends where the disk has fallen to this part of its middle."""

_SHARPEST = 0.29
"""Standard deviation of a pixel's own width, 1/sqrt(12): no recorded edge is sharper."""

_DERIVATIVE_STEP = 1.0 / 64
"""Step of the central difference that gives the template's derivatives, in pixels."""


def disk_profile(r: NDArray[np.float64], radius: float, edge_width: float) -> NDArray[np.float64]:
    """Brightness of a blurred uniform disk at distance `r` from its centre; the sharp disk has height 1.

    The convolution of a disk with a two-dimensional Gaussian: a noncentral chi-square probability, and far
    from the centre of curvature an error function. A radius below the edge width gives a Gaussian spot.

    Examples
    --------
    >>> import numpy as np
    >>> disk_profile(np.array([0.0, 5.0, 9.0]), 5.0, 0.5).round(2)
    array([1.  , 0.48, 0.  ])
    """
    w = max(edge_width, _SHARPEST)
    if radius > 20.0 * w:
        # The numerical noncentral chi-square loses its way here, and the edge is straight to 1 part in 40.
        return np.asarray(ndtr((radius - r) / w - 0.5 * w / radius))
    return np.asarray(chndtr((radius / w) ** 2, 2.0, (np.asarray(r) / w) ** 2))


@dataclass(frozen=True, slots=True)
class ProbeTemplate:
    """One disk, as the detector sees it.

    Parameters
    ----------
    radius : float
        Radius at half height, in pixels.
    edge_width : float
        Standard deviation of the blur that turns an ideal disk into this one, in pixels. With a radius below
        the edge width the "disk" is a Gaussian spot.

    Examples
    --------
    >>> probe = ProbeTemplate.disk(radius=5.0, edge_width=0.5)
    >>> probe.patch_radius
    7
    >>> bool(abs(probe.image((0.25, -0.5)).sum() - 1.0) < 0.01)
    True
    """

    radius: float
    edge_width: float

    def __post_init__(self) -> None:
        if not 0 < self.radius < 1000 or not 0 <= self.edge_width < 1000:
            raise ProbeError(
                f"a probe needs a radius above 0 and an edge width of 0 or more pixels (both below 1000), not "
                f"{self.radius} and {self.edge_width}; set probe.radius and probe.edge_width"
            )

    @classmethod
    def disk(cls, radius: float, edge_width: float) -> ProbeTemplate:
        """Uniform disk of a radius and edge width in pixels."""
        return cls(float(radius), float(edge_width))

    @classmethod
    def from_shape(cls, shape: ProbeShape) -> ProbeTemplate:
        """Template of a measured or configured probe."""
        return cls.disk(shape.radius, shape.edge_width)

    @property
    def patch_radius(self) -> int:
        """Half the size of the square patch the disk fits into at any sub-pixel phase, in whole pixels."""
        r = np.arange(1.0, self.radius + 6.0 * max(self.edge_width, _SHARPEST) + 3.0, 0.25)
        profile = disk_profile(r, self.radius, self.edge_width)
        centre = disk_profile(np.zeros(1), self.radius, self.edge_width)[0]
        return max(int(np.ceil(r[profile > _TAIL * centre].max(initial=1.0))), 2)

    def image(self, shift: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
        """Disk of unit sum (a blur keeps the area), its centre `shift` (rows, columns) off the patch's middle."""
        reach = self.patch_radius
        axis = np.arange(-reach, reach + 1, dtype=np.float64)
        r = np.hypot(axis[:, None] - shift[0], axis[None, :] - shift[1])
        return np.asarray(_interpolated(self.radius, self.edge_width)(r))

    def phases(self) -> NDArray[np.float32]:
        """Template and derivatives at every sub-pixel phase.

        Returns
        -------
        NDArray[np.float32], shape (PHASES, PHASES, 3, n, n)
            ``[i, j, 0]`` is the disk moved by ``(i, j) / PHASES`` pixels, ``[i, j, 1:]`` its derivatives along
            the rows and columns of its centre.
        """
        return _phases(self.radius, self.edge_width)


@lru_cache(maxsize=16)
def _interpolated(radius: float, edge_width: float) -> CubicSpline:
    """Profile of a disk of unit sum: exact at 16 points per edge width, which a cubic makes exact to 1e-6."""
    step = max(edge_width, _SHARPEST) / 16
    r = np.arange(0.0, 1.5 * radius + 16.0 * max(edge_width, _SHARPEST) + 8.0, step)
    return CubicSpline(r, disk_profile(r, radius, edge_width) / (math.pi * radius**2), extrapolate=False)


@lru_cache(maxsize=4)
def _phases(radius: float, edge_width: float) -> NDArray[np.float32]:
    probe = ProbeTemplate(radius, edge_width)
    n = 2 * probe.patch_radius + 1
    table = np.empty((PHASES, PHASES, 3, n, n), np.float32)
    h = _DERIVATIVE_STEP
    for i in range(PHASES):
        for j in range(PHASES):
            r, c = i / PHASES, j / PHASES
            table[i, j, 0] = probe.image((r, c))
            table[i, j, 1] = (probe.image((r + h, c)) - probe.image((r - h, c))) / (2 * h)
            table[i, j, 2] = (probe.image((r, c + h)) - probe.image((r, c - h))) / (2 * h)
    table.setflags(write=False)
    return table
