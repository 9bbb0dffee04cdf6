"""Calibration that follows the scan: the origin per position, and the tracked peaks."""

from livebragg.calibrate.origin import OriginEstimate, OriginTracker, pattern_origins
from livebragg.calibrate.tracker import PeakTracker

__all__ = ["OriginEstimate", "OriginTracker", "PeakTracker", "pattern_origins"]
