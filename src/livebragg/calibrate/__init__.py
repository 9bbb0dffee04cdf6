"""Calibration that follows the scan: the origin per position, the tracked peaks, the ellipse."""

from livebragg.calibrate.evidence import agreed, combined
from livebragg.calibrate.halo import HaloPattern
from livebragg.calibrate.halo_ellipse import ellipse_of_halo
from livebragg.calibrate.origin import OriginEstimate, OriginTracker, pattern_origins
from livebragg.calibrate.pixel_size import pixel_size
from livebragg.calibrate.rings import ellipse_of_rings
from livebragg.calibrate.tracker import PeakTracker

__all__ = [
    "HaloPattern",
    "OriginEstimate",
    "OriginTracker",
    "PeakTracker",
    "agreed",
    "combined",
    "ellipse_of_halo",
    "ellipse_of_rings",
    "pattern_origins",
    "pixel_size",
]
