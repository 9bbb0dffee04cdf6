"""What a results file says was found at a position, besides its disks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.storage.results_content import FinalResults, SparseRows

NONE = np.zeros(0, np.float32)


def found_at(final: FinalResults | None, scan_index: int) -> dict[str, Any]:
    """Features, classes, weights and shares for a `PositionReply`; none in a file that was not finished."""
    if final is None:
        return _features(None, scan_index) | {"class_ids": [], "weights": NONE, "shares": NONE}
    snapshot = final.snapshot
    return _features(final.features, scan_index) | {
        "class_ids": snapshot.class_ids.tolist(),
        "weights": _at(snapshot.weights, scan_index),
        "shares": _at(snapshot.shares, scan_index),
    }


def _features(rows: SparseRows | None, scan_index: int) -> dict[str, Any]:
    if rows is None:
        return {"peak_ids": np.zeros(0, np.int32), "features": NONE}
    row = slice(*rows.indptr[scan_index : scan_index + 2])
    return {"peak_ids": rows.indices[row].astype(np.int32), "features": rows.data[row].astype(np.float32)}


def _at(maps: NDArray[np.float32], scan_index: int) -> NDArray[np.float32]:
    return np.array([image.reshape(-1)[scan_index] for image in maps], np.float32)
