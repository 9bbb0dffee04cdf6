"""Bragg disks: what the probe looks like, where its copies are in a frame, and what else a frame tells."""

from livebragg.detect.analyzer import FrameAnalyzer, build_detector
from livebragg.detect.detector import DiskDetector, FrameHealth
from livebragg.detect.frame_profiles import profile_radii
from livebragg.detect.measure import measure_probe
from livebragg.detect.noise import measure_gain
from livebragg.detect.radial import RadialProfiler, RadialProfiles
from livebragg.detect.radial_table import ellipse_matrix
from livebragg.detect.region import frames_of_region
from livebragg.detect.template import ProbeTemplate
from livebragg.detect.vacuum import measure_vacuum_probe

__all__ = [
    "DiskDetector",
    "FrameAnalyzer",
    "FrameHealth",
    "ProbeTemplate",
    "RadialProfiler",
    "RadialProfiles",
    "build_detector",
    "ellipse_matrix",
    "frames_of_region",
    "measure_gain",
    "measure_probe",
    "measure_vacuum_probe",
    "profile_radii",
]
