"""Any number of virtual detectors and the sum pattern, in one pass over a loaded frame.

While the frame is read row by row, a running sum of every column is kept. A detector's counts are sums along
columns, and those are differences of the running sum where the sensitivity changes: a detector of full and no
sensitivity costs its outline, not its area, and a soft edge costs the pixels of the edge. The running sums are in
double precision, because a dark field may be the difference of columns that hold the direct beam.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import fast_sums, kernel


class VirtualMasks(NamedTuple):
    """Virtual detectors as `collect` reads them, and its memory; one per thread."""

    row_starts: NDArray[np.uint64]
    """(frame_rows + 1,): first step of each row, and their number."""
    cols: NDArray[np.uint32]
    """(n_steps,): column of each step."""
    detectors: NDArray[np.uint32]
    """(n_steps,): its detector."""
    steps: NDArray[np.float64]
    """(n_steps,): sensitivity of the pixel less that of the pixel below it."""
    dense: NDArray[np.float32]
    """(m, frame_rows, frame_cols): detectors whose sensitivity changes so often that steps would cost more."""
    dense_detectors: NDArray[np.int64]
    """(m,): which detectors those are."""
    column_sums: NDArray[np.float64]
    """(frame_cols,): scratch."""
    sums: NDArray[np.float64]
    """(n,): scratch."""


@kernel()
def collect(
    image: NDArray[np.float32],
    pad: int,
    gain: float,
    masks: VirtualMasks,
    out_virtual: NDArray[np.float32],
    out_sum: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Add a frame to the sum pattern and read every virtual detector.

    Parameters
    ----------
    image : NDArray[np.float32]
        Padded frame in electrons, bad pixels 0.
    masks : VirtualMasks
        `n` detectors.
    out_virtual : NDArray[np.float32], shape (n + 3,)
        Counts of each detector, of the whole frame, and the frame's centre of mass (row, column) in pixels;
        NaN where the frame is empty.
    out_sum : NDArray[np.float32], shape (frame_rows, frame_cols)
        The frame is added, in detector counts.
    """
    rows, cols = out_sum.shape
    row_starts, step_cols, detectors, steps, dense, dense_detectors, column_sums, sums = masks
    sums[:] = 0.0
    column_sums[:] = 0.0
    moment_row = 0.0
    for r in range(rows):
        pixels = image[r + pad, pad : pad + cols]
        moment_row += r * add_row(pixels, gain, column_sums, out_sum[r])
        for i in range(row_starts[r], row_starts[r + 1]):
            sums[detectors[i]] += steps[i] * column_sums[step_cols[i]]
        for m in range(dense_detectors.size):
            sums[dense_detectors[m]] += weighted_sum(pixels, dense[m, r])
    n = sums.size
    total = moment_col = 0.0
    for c in range(cols):
        total += column_sums[c]
        moment_col += c * column_sums[c]
    for k in range(n):
        out_virtual[k] = sums[k] * gain
    out_virtual[n] = total * gain
    out_virtual[n + 1] = moment_row / total if total > 0.0 else np.nan
    out_virtual[n + 2] = moment_col / total if total > 0.0 else np.nan


@fast_sums()
def add_row(
    pixels: NDArray[np.float32], gain: float, column_sums: NDArray[np.float64], out_sum: NDArray[np.float32]
) -> float:  # pragma: no cover - compiled
    """Add a row to the columns' running sums and to the sum pattern, and return the sum of the row."""
    scale, line = np.float32(gain), np.float32(0.0)
    for c in range(pixels.size):
        line += pixels[c]
        column_sums[c] += np.float64(pixels[c])
        out_sum[c] += scale * pixels[c]
    return float(line)


@fast_sums()
def weighted_sum(
    pixels: NDArray[np.float32], sensitivity: NDArray[np.float32]
) -> float:  # pragma: no cover - compiled
    """Counts of one row in a detector."""
    seen = np.float32(0.0)
    for c in range(pixels.size):
        seen += sensitivity[c] * pixels[c]
    return float(seen)
