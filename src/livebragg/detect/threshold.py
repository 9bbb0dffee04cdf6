"""From "false disks per frame" to the significance a disk needs."""

from __future__ import annotations

from scipy.optimize import brentq
from scipy.special import ndtr

_SHRINK = 0.82
"""Independent places per pixel are the aperture's pixels to minus this power. Measured on background-only frames
of 0.03 to 30 electrons per pixel with apertures of 8 to 200 pixels: right to a factor of 1.5, see
``docs/detection.md``."""

LOWEST = 2.0
"""Standard deviations below which nothing is called a disk."""


def independent_places(pixels: int, aperture: float) -> float:
    """Places of a frame that could show a disk independently of each other.

    Parameters
    ----------
    pixels : int
        Pixels of the frame where a disk can be centred.
    aperture : float
        Pixels of the aperture the counts of a disk are summed over.
    """
    return float(pixels * aperture**-_SHRINK)


def expected_false_disks(significance: float, places: float) -> float:
    """Disks that noise alone makes up in a frame.

    Parameters
    ----------
    significance : float
        Threshold on the signed root of the likelihood ratio.
    places : float
        From `independent_places`.
    """
    return float(places * significance * ndtr(-significance))


def significance_for(false_disks_per_frame: float, places: float) -> float:
    """Significance at which noise makes up `false_disks_per_frame` disks, at least `LOWEST`."""
    if expected_false_disks(LOWEST, places) <= false_disks_per_frame:
        return LOWEST
    return float(brentq(lambda s: expected_false_disks(s, places) - false_disks_per_frame, LOWEST, 30.0))
