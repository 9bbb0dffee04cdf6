"""A made-up scan, from batches to the final snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from livebragg.model import (
    VIRTUAL_IMAGES,
    Acquisition,
    AnalysisEvent,
    AnalysisSnapshot,
    BraggPeaks,
    DetectedBatch,
    MapGeometry,
    ScanMetadata,
    TrackedPeaks,
)

SCAN_SHAPE = (6, 9)
FRAME_SHAPE = (32, 24)


@pytest.fixture
def acquisition() -> Acquisition:
    metadata = ScanMetadata(
        beam_energy_kev=200.0, q_pixel_size_inv_angstrom=0.02, scan_step_nm=1.5, sample_name="gold"
    )
    return Acquisition(
        acquisition_id="scan-7",
        scan_shape=SCAN_SHAPE,
        frame_shape=FRAME_SHAPE,
        dtype="uint16",
        flyback_frames=2,
        metadata=metadata,
    )


def make_batch(scan_index: np.ndarray, seed: int = 0, mean_disks: float = 12.0) -> DetectedBatch:
    """Disks of some positions; the seed and the positions decide all numbers."""
    random = np.random.default_rng([seed, int(scan_index[0])])
    counts = random.poisson(mean_disks, scan_index.size)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    columns = {
        name: random.random(offsets[-1], np.float32) * 20
        for name in ("qx", "qy", "intensity", "intensity_error", "position_error")
    }
    return DetectedBatch(
        scan_index=scan_index.astype(np.int64),
        peaks=BraggPeaks(**columns, offsets=offsets),
        direct_beam=random.random((scan_index.size, 3), np.float32),
        virtual=random.random((scan_index.size, len(VIRTUAL_IMAGES)), np.float32),
        sum_pattern=np.ones(FRAME_SHAPE, np.float32),
    )


@pytest.fixture
def batches() -> Callable[..., Iterator[DetectedBatch]]:
    """Batches that cover a whole scan, in order."""

    def make(n_positions: int = SCAN_SHAPE[0] * SCAN_SHAPE[1], size: int = 8) -> Iterator[DetectedBatch]:
        for start in range(0, n_positions, size):
            yield make_batch(np.arange(start, min(start + size, n_positions)))

    return make


def make_snapshot(
    scan_shape: tuple[int, int] = SCAN_SHAPE,
    n_classes: int = 3,
    n_peaks: int = 5,
    frame_shape: tuple[int, int] = FRAME_SHAPE,
) -> AnalysisSnapshot:
    """A snapshot with a number of its own at every place, NaN where nothing was seen."""
    random = np.random.default_rng(5)
    seen = np.ones(scan_shape, np.bool_)
    seen[-1, -1] = False

    def image(*shape: int) -> np.ndarray:
        values = random.random(shape, np.float32)
        values[..., ~seen] = np.nan
        return values

    geometry = MapGeometry.around(frame_shape, (15.0, 12.0), 2.0)
    labels = random.integers(0, max(n_classes, 1), scan_shape).astype(np.int16) if n_classes else None
    labels = np.full(scan_shape, -1, np.int16) if labels is None else np.where(seen, labels, -1).astype(np.int16)
    ids = np.arange(n_classes, dtype=np.int16)
    peaks = TrackedPeaks(
        peak_id=np.arange(n_peaks, dtype=np.int32) * 2,
        **{n: random.random(n_peaks, np.float32) for n in ("qx", "qy", "support", "significance")},
        covariance=random.random((n_peaks, 2, 2), np.float32),
    )
    families = ("crystal", "no_bragg", "polycrystal")
    return AnalysisSnapshot(
        version=12,
        seen=seen,
        labels=labels,
        confidence=image(*scan_shape),
        class_ids=ids,
        class_families=tuple(families[i % 3] for i in range(n_classes)),  # type: ignore[arg-type]
        class_positions=np.array([(labels == c).sum() for c in ids], np.int64),
        class_fractions=np.array([(labels == c).mean() for c in ids], np.float32),
        weights=image(n_classes, *scan_shape),
        shares=image(n_classes, *scan_shape),
        profile_radii=np.arange(4, dtype=np.float32) + 0.5,
        class_profiles=random.random((n_classes, 2, 4), np.float32),
        class_patterns=random.random((n_classes, n_peaks), np.float32),
        class_vector_maps=random.poisson(0.1, (n_classes, *geometry.shape)).astype(np.float32),
        virtual_images={name: image(*scan_shape) for name in VIRTUAL_IMAGES},
        n_disks=image(*scan_shape),
        bragg_intensity=image(*scan_shape),
        origin=np.stack([image(*scan_shape) + 15, image(*scan_shape) + 12], axis=-1),
        bragg_vector_map=random.poisson(0.3, geometry.shape).astype(np.float32),
        map_geometry=geometry,
        peaks=peaks,
        events=(AnalysisEvent(positions_seen=20, kind="class_born", subject=1, detail="from µ 3"),),
        residual=0.125,
        sum_pattern=random.random(frame_shape) * 1e6,
        duplicates=4,
        finished=True,
    )


@pytest.fixture
def snapshot() -> Callable[..., AnalysisSnapshot]:
    return make_snapshot
