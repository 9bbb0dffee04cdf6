"""What is counted about one acquisition, and how long its frames took."""

from __future__ import annotations

import math
from collections import Counter, deque

import numpy as np

from livebragg.model import AnalysisSnapshot, Calibration
from livebragg.pipeline.health import RateMeter
from livebragg.wire.messages import DetectResult

MAX_LAGS = 20_000

OF_RESULTS = (
    "frames_analysed",
    "frames_unmapped",
    "frames_failed",
    "nonfinite_pixels",
    "negative_pixels",
    "hot_pixels",
)
"""What workers count in their results."""


class RunCounters:
    """Counters, rate and lag of a run."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(OF_RESULTS, 0))
        self.newest_sent_at = 0.0
        self._rate = RateMeter()
        self._shown_from = math.inf
        """When the first maps were published."""
        self._start_lag = 0.0
        self._lags: deque[float] = deque(maxlen=MAX_LAGS)
        self._unpublished: list[float] = []

    @property
    def has_unpublished(self) -> bool:
        """Whether results came since the last publication."""
        return bool(self._unpublished)

    def add(self, result: DetectResult, now: float) -> None:
        """Count a worker's result."""
        for name in OF_RESULTS:
            self.counts[name] += getattr(result, name)
        self._rate.add(now, result.frames_analysed)
        self._unpublished += [piece.sent_at for piece in result.pieces]
        self.newest_sent_at = max(self.newest_sent_at, result.newest_sent_at)

    def published(self, at: float) -> None:
        """What came so far is published now.

        What was sent before the first maps waited for the probe to be measured, once: it is told apart.
        """
        if self._unpublished:
            self._shown_from = min(self._shown_from, at)
        early = [sent for sent in self._unpublished if sent < self._shown_from]
        self._start_lag = max([self._start_lag, *(at - sent for sent in early)])
        self._lags.extend(at - sent for sent in self._unpublished if sent >= self._shown_from)
        self._unpublished.clear()

    def begin_again(self) -> None:
        """The same results are about to be added once more: forget what follows from them."""
        for name in ("disks", "positions_analysed"):
            del self.counts[name]

    def numbers(self, now: float) -> dict[str, float]:
        """For the status."""
        lags = np.array(self._lags or [self._start_lag])
        p50, p99 = np.percentile(lags, [50, 99])
        return {key: float(value) for key, value in self.counts.items()} | {
            "rate_analysed_hz": self._rate.rate(now),
            "lag_p50_s": float(p50),
            "lag_p99_s": float(p99),
            "lag_s": float(lags[-1]),
            "lag_start_s": self._start_lag,
            "disks_per_frame": self.counts["disks"] / max(self.counts["positions_analysed"], 1),
        }


def snapshot_numbers(
    snapshot: AnalysisSnapshot, calibration: Calibration, origin_error: float
) -> dict[str, float]:
    """What the status says of the analysis and of the calibration; what is not known is left out."""
    numbers = {
        "n_peaks": float(len(snapshot.peaks)),
        "n_classes": float(snapshot.class_ids.size),
        "nmf_residual": float(snapshot.residual),
        "origin_model_error_px": origin_error,
    }
    ellipse = calibration.ellipse
    if ellipse is not None:
        numbers["ellipse_ratio"], numbers["ellipse_angle_deg"] = ellipse.ratio, ellipse.angle_deg
        numbers["ellipse_ratio_error"] = ellipse.ratio_error
        numbers["ellipse_angle_error_deg"] = ellipse.angle_error_deg
    if calibration.q_pixel_size_inv_angstrom is not None:
        numbers["q_pixel_size_inv_angstrom"] = calibration.q_pixel_size_inv_angstrom
        numbers["q_pixel_size_error"] = calibration.q_pixel_size_error
    return numbers
