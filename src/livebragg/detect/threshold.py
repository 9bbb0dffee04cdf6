"""From "false disks per frame" to the significance a disk needs."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import log_ndtr

_PLACES = 0.82
"""Independent places per pixel times the root of the disk's area. The score of noise has sharp creases (its
correlation falls linearly with distance), so its maxima grow as the disk's radius, not its area, shrinks.
Measured on background-only frames with 9 to 600 pixels per disk."""


def expected_false_disks(significance: float, places: int, disk_radius: float) -> float:
    """Disks that noise alone makes up in a frame.

    Parameters
    ----------
    significance : float
        Threshold on the signed root of the likelihood ratio.
    places : int
        Pixels of the frame where a disk can be centred.
    disk_radius : float
        Radius of the summed disk, in pixels.
    """
    independent = _PLACES * places / (math.sqrt(math.pi) * disk_radius)
    return float(independent * significance * math.exp(log_ndtr(-significance)))


def significance_for(false_disks_per_frame: float, places: int, disk_radius: float) -> float:
    """Significance at which noise makes up `false_disks_per_frame` disks; at least 2 standard deviations."""
    low, high = 2.0, 30.0
    if expected_false_disks(low, places, disk_radius) <= false_disks_per_frame:
        return low
    return float(brentq(lambda s: expected_false_disks(s, places, disk_radius) - false_disks_per_frame, low, high))
