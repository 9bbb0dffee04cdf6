"""The classes of a scan, flat over positions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from livebragg.model import NOT_CLASSIFIED, ClassFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMaps:
    """Classes of a scan, flat over positions.

    Parameters
    ----------
    class_ids : NDArray[np.int16], shape (n_classes,)
        Permanent ids, rising.
    families : tuple of str
        Family of each class.
    labels : NDArray[np.int16], shape (n_positions,)
        Class id, `NOT_CLASSIFIED` where there is none.
    confidence : NDArray[np.float32], shape (n_positions,)
        0 to 1.
    weights : NDArray[np.float32], shape (n_classes, n_positions)
        In units of the features; 1 or 0 for families without Bragg features.
    patterns : NDArray[np.float32], shape (n_classes, n_columns)
        Unit rows; 0 for families without Bragg features.
    """

    class_ids: NDArray[np.int16]
    families: tuple[ClassFamily, ...]
    labels: NDArray[np.int16]
    confidence: NDArray[np.float32]
    weights: NDArray[np.float32]
    patterns: NDArray[np.float32]

    def resized(self, n: int) -> ClassMaps:
        """The same for the first `n` positions: views, or with unclassified ones added."""
        more = n - self.labels.size
        if more <= 0:
            return replace(
                self, labels=self.labels[:n], confidence=self.confidence[:n], weights=self.weights[:, :n]
            )
        return replace(
            self,
            labels=np.pad(self.labels, (0, more), constant_values=NOT_CLASSIFIED),
            confidence=np.pad(self.confidence, (0, more), constant_values=np.nan),
            weights=np.pad(self.weights, ((0, 0), (0, more))),
        )
