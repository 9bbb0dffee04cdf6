"""Calibration that follows the scan: the origin per position, the tracked peaks, the ellipse."""

from livebragg.calibrate.ellipse import combined, ellipse_of_halo, ellipse_of_rings
from livebragg.calibrate.halo import HaloPattern
from livebragg.calibrate.origin import OriginEstimate, OriginTracker, pattern_origins
from livebragg.calibrate.pixel_size import pixel_size
from livebragg.calibrate.tracker import PeakTracker

__all__ = [
    "HaloPattern",
    "OriginEstimate",
    "OriginTracker",
    "PeakTracker",
    "combined",
    "ellipse_of_halo",
    "ellipse_of_rings",
    "pattern_origins",
    "pixel_size",
]
