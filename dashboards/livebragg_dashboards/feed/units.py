"""Sizes of a detector pixel, of a scan step and of the probe, where they are known and sensible."""

from __future__ import annotations

from livebragg.wire.messages import PipelineStatus


def q_pixel_size(status: PipelineStatus | None) -> float | None:
    """1/Angstrom per detector pixel, if it was measured or the sender knows a sensible one."""
    calibration = status.calibration if status is not None else None
    size = calibration.q_pixel_size_inv_angstrom if calibration is not None else None
    if size is None and status is not None and status.acquisition is not None:
        size = status.acquisition.metadata.q_pixel_size_inv_angstrom
    return size if size is not None and 1e-9 < size < 1e3 else None


def scan_step_nm(status: PipelineStatus | None) -> float | None:
    """Nanometres per scan position, if the sender knows a sensible number."""
    step = status.acquisition.metadata.scan_step_nm if status and status.acquisition else None
    return step if step is not None and 1e-6 < step < 1e6 else None


def probe_radius(status: PipelineStatus | None, unknown: float = 3.0) -> float:
    """Detector pixels; `unknown` before the probe was measured."""
    radius = status.probe.radius if status is not None and status.probe is not None else 0.0
    return radius if radius > 0 else unknown
