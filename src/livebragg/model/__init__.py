"""The field's own nouns, as plain immutable data."""

from livebragg.model.alert import Alert
from livebragg.model.analysis import (
    FAMILIES,
    NOT_CLASSIFIED,
    AnalysisEvent,
    AnalysisSnapshot,
    ClassFamily,
    MapGeometry,
    TrackedPeaks,
)
from livebragg.model.calibration import Calibration, EllipseEstimate
from livebragg.model.detected import VIRTUAL_IMAGES, DetectedBatch
from livebragg.model.forced import ForcedIntensities
from livebragg.model.losses import lost_frames
from livebragg.model.peaks import BraggPeaks
from livebragg.model.pixels import MAX_MASK_BYTES, pack_mask, unpack_mask
from livebragg.model.probe import ProbeShape
from livebragg.model.radial import RadialBatch
from livebragg.model.scan import NO_POSITION, Acquisition, ScanGeometry, ScanMetadata, ScanOrder
from livebragg.model.summary import ScanSummary

__all__ = [
    "FAMILIES",
    "MAX_MASK_BYTES",
    "NOT_CLASSIFIED",
    "NO_POSITION",
    "VIRTUAL_IMAGES",
    "Acquisition",
    "Alert",
    "AnalysisEvent",
    "AnalysisSnapshot",
    "BraggPeaks",
    "Calibration",
    "ClassFamily",
    "DetectedBatch",
    "EllipseEstimate",
    "ForcedIntensities",
    "MapGeometry",
    "ProbeShape",
    "RadialBatch",
    "ScanGeometry",
    "ScanMetadata",
    "ScanOrder",
    "ScanSummary",
    "TrackedPeaks",
    "lost_frames",
    "pack_mask",
    "unpack_mask",
]
