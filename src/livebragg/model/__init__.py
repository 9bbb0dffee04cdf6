"""The field's own nouns, as plain immutable data."""

from livebragg.model.detected import VIRTUAL_IMAGES, DetectedBatch
from livebragg.model.peaks import BraggPeaks
from livebragg.model.probe import ProbeShape
from livebragg.model.scan import NO_POSITION, Acquisition, ScanGeometry, ScanMetadata, ScanOrder

__all__ = [
    "NO_POSITION",
    "VIRTUAL_IMAGES",
    "Acquisition",
    "BraggPeaks",
    "DetectedBatch",
    "ProbeShape",
    "ScanGeometry",
    "ScanMetadata",
    "ScanOrder",
]
