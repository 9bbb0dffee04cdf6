"""A probe of any shape as a smooth surface: a cubic spline that can be shifted by any fraction of a pixel.

The value of the surface at a place is what a pixel centred there records, so a shifted template needs no further
integration. The spline's grid may be finer than the pixels: then it holds what frames at different sub-pixel
places tell together, which one frame alone cannot.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.detect.disk import disk_image

_STRUCTURED = 0.1
"""Part of its light in other places than a blurred disk's, from which a probe is a patterned one."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Cubic B-spline of unit sum about its centre of mass.

    Parameters
    ----------
    coefficients : NDArray[np.float64], shape (m, k)
        Of the cubic B-splines on the grid; never changed.
    oversampling : int
        Grid points per pixel.

    Notes
    -----
    Two pictures are equal when their coefficients are, and can be the key of a cache.
    """

    coefficients: NDArray[np.float64]
    oversampling: int

    @classmethod
    def of_values(cls, values: NDArray[np.float64], oversampling: int = 1) -> Picture:
        """Surface through `values` on the grid, which must have fallen to 0 at their border."""
        padded = np.pad(values, 4)
        total = padded.sum() / oversampling**2
        return cls(ndimage.spline_filter(padded / total, 3, np.float64, mode="mirror"), oversampling)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    @cached_property
    def _digest(self) -> tuple[int, tuple[int, ...], bytes]:
        data = np.ascontiguousarray(self.coefficients)
        return self.oversampling, data.shape, hashlib.sha256(data.tobytes()).digest()

    @cached_property
    def center(self) -> tuple[float, float]:
        """Centre of mass on the grid (row, column): a B-spline's own is in its middle."""
        row, col = ndimage.center_of_mass(self.coefficients)
        return float(row), float(col)

    @cached_property
    def variance(self) -> float:
        """Second moment about the centre, mean of both axes, in pixels squared."""
        total = self.coefficients.sum()
        moments = 0.0
        for axis, middle in enumerate(self.center):
            line = self.coefficients.sum(axis=1 - axis)
            moments += float((line * (np.arange(line.size) - middle) ** 2).sum() / total)
        return (moments / 2 + 1 / 3) / self.oversampling**2  # 1/3: variance of a cubic B-spline

    def sample(
        self, shift: tuple[float, float], reach: int, derivative: tuple[int, int] = (0, 0)
    ) -> NDArray[np.float64]:
        """What pixels record of the probe whose centre of mass is `shift` off the middle one.

        Parameters
        ----------
        shift : tuple of float
            (rows, columns), in pixels.
        reach : int
            Pixels on each side of the middle one.
        derivative : tuple of int
            1 for the derivative with respect to `shift` along that axis.

        Returns
        -------
        NDArray[np.float64], shape (2 * reach + 1, 2 * reach + 1)
        """
        axis = np.arange(-reach, reach + 1, dtype=np.float64)
        rows, cols = (
            basis((axis - q) * self.oversampling + middle, n, d) * (-self.oversampling) ** d
            for q, middle, n, d in zip(shift, self.center, self.coefficients.shape, derivative, strict=True)
        )
        return np.asarray(rows @ self.coefficients @ cols.T)

    def reach(self, tail: float) -> int:
        """Pixels from the centre within which the picture is above `tail` of its brightest place."""
        return _reach(self, tail)

    def equivalent_disk(self) -> tuple[float, float]:
        """Radius and edge width of the blurred disk with the same second moment and the same steepest slope."""
        reach = self.reach(1e-3) + 1
        axis = np.arange(-reach, reach, 1.0 / (2 * self.oversampling))
        rows, cols = (
            [basis(axis * self.oversampling + c, n, d) for d in (0, 1)]
            for c, n in zip(self.center, self.coefficients.shape, strict=True)
        )
        values = rows[0] @ self.coefficients @ cols[0].T
        slopes = [rows[1] @ self.coefficients @ cols[0].T, rows[0] @ self.coefficients @ cols[1].T]
        slope = float(np.hypot(*slopes).max()) * self.oversampling
        bright = float(np.median(values[values > 0.7 * values.max()]))
        sigma = math.sqrt(self.variance)
        # A straight edge blurred by w rises by 1 / (w sqrt(2 pi)) per pixel; a Gaussian spot has w = 0.66 sigma.
        width = min(max(bright / (math.sqrt(2 * math.pi) * slope), 0.3), 0.66 * sigma)
        return 2 * math.sqrt(sigma**2 - width**2), width

    def is_structured(self) -> bool:
        """Whether no blurred disk of the same second moment has nearly the same shape."""
        reach = self.reach(1e-3) + 1
        image, sigma = self.sample((0.0, 0.0), reach), math.sqrt(self.variance)
        widths = sigma * np.array([0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 0.99])
        disks = (disk_image(2 * math.sqrt(sigma**2 - w**2), float(w), reach) for w in widths)
        return min(float(np.abs(image - disk).sum()) / 2 for disk in disks) > _STRUCTURED


@lru_cache(maxsize=16)
def _reach(picture: Picture, tail: float) -> int:
    on_grid = basis(np.arange(3.0), 3)[1]
    values = ndimage.convolve(picture.coefficients, np.outer(on_grid, on_grid), mode="constant")
    rows, cols = np.nonzero(np.abs(values) > tail * values.max())
    distance = float(np.hypot(rows - picture.center[0], cols - picture.center[1]).max())
    return math.ceil(distance / picture.oversampling)


def basis(places: NDArray[np.float64], n: int, derivative: int = 0) -> NDArray[np.float64]:
    """Values (or first derivatives) of `n` cubic B-splines on a unit grid at some places, shape (places, n)."""
    x = places[:, None] - np.arange(n)
    a = np.abs(x)
    if derivative:
        return np.asarray(
            np.sign(x) * np.where(a < 1, 1.5 * a * a - 2 * a, np.where(a < 2, -((2 - a) ** 2) / 2, 0))
        )
    return np.asarray(np.where(a < 1, 2 / 3 - a * a + a**3 / 2, np.where(a < 2, (2 - a) ** 3 / 6, 0)))
