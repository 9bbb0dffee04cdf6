"""Smooth scattering: thermal diffuse background, amorphous halos, and what an empty beam leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Smooth:
    """A smooth, round pattern.

    Parameters
    ----------
    scattered : float
        Fraction of the beam in it.
    rings : tuple of tuple
        ``(radius, width, share)``: Gaussian rings, radius and standard deviation in 1/Å.
    forward : tuple of float
        ``(length, share)``: exponential fall-off in 1/Å around the direct beam.
    """

    scattered: float
    rings: tuple[tuple[float, float, float], ...]
    forward: tuple[float, float]

    @property
    def in_rings(self) -> float:
        """Fraction of the beam in the rings alone."""
        return self.scattered * sum(share for _, _, share in self.rings)

    def density(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        """Electrons per 1/Å² at distance `q` (1/Å) from the beam, for one electron in the whole pattern."""
        length, share = self.forward
        total = share * _normalised(lambda r: np.exp(-r / length), q)
        for radius, width, part in self.rings:
            total = total + part * _normalised(_ring(radius, width), q)
        return np.asarray(total, np.float64)


def _ring(radius: float, width: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    return lambda r: np.exp(-0.5 * ((r - radius) / width) ** 2)


def _normalised(
    profile: Callable[[NDArray[np.float64]], NDArray[np.float64]], q: NDArray[np.float64]
) -> NDArray[np.float64]:
    r = np.linspace(0, 6, 6001)
    return profile(q) / np.trapezoid(2 * np.pi * r * profile(r), r)


HALOS = {
    "carbon": Smooth(0.13, ((0.48, 0.085, 0.30), (0.85, 0.12, 0.10)), (0.16, 0.60)),
    "silica": Smooth(0.16, ((0.25, 0.050, 0.40), (0.62, 0.10, 0.10)), (0.20, 0.50)),
    "gd-ti-oxide": Smooth(0.20, ((0.34, 0.045, 0.38), (0.54, 0.060, 0.18)), (0.18, 0.44)),
}
"""Halos of the amorphous phases; radii and shapes differ as those of carbon, SiO2 and a gadolinium titanate."""

AMORPHOUS_PHASES = tuple(HALOS)
"""Names of the amorphous phases."""


def thermal(scattered: float) -> Smooth:
    """Thermal diffuse background of a crystal, falling with |q|."""
    return Smooth(scattered, (), (0.30, 1.0))


APERTURE_TAIL = Smooth(0.01, (), (0.10, 1.0))
"""What an empty beam leaves beside its disk."""
