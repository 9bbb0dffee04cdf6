"""A short history of the pipeline's counters, one sample a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

KEYS = (
    "rate_received_hz",
    "rate_analysed_hz",
    "lag_p50_s",
    "lag_p99_s",
    "disks_per_frame",
    "nmf_residual",
    "n_peaks",
    "n_classes",
)
MAX_SAMPLES = 600
SPACING_S = 1.0


class Trends:
    """The last ten minutes of what is worth a curve.

    Examples
    --------
    >>> trends = Trends()
    >>> trends.add(10.0, {"n_peaks": 3.0}), trends.add(10.2, {}), trends.add(11.1, {"n_peaks": 4.0})
    (True, False, True)
    >>> trends.columns(12.0)["n_peaks"]
    array([3., 4.])
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, ...]] = deque(maxlen=MAX_SAMPLES)

    def add(self, now: float, counters: Mapping[str, float]) -> bool:
        """Keep a sample unless the last one is less than a second old; whether it was kept."""
        if self._samples and now - self._samples[-1][0] < SPACING_S:
            return False
        self._samples.append((now, *(counters.get(key, np.nan) for key in KEYS)))
        return True

    def __len__(self) -> int:
        return len(self._samples)

    def columns(self, now: float) -> dict[str, NDArray[np.float64]]:
        """``age`` in seconds (0 is now, negative is past) and one column per key; NaN where unknown."""
        table = np.array(self._samples, np.float64).reshape(len(self._samples), len(KEYS) + 1)
        table[~np.isfinite(table)] = np.nan
        return {"age": table[:, 0] - now} | {key: table[:, i + 1] for i, key in enumerate(KEYS)}
