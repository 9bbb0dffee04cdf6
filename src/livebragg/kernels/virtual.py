"""Virtual detectors and the sum pattern, in one pass over a loaded frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import fast_sums


@fast_sums()
def collect(
    image: NDArray[np.float32],
    pad: int,
    gain: float,
    masks: NDArray[np.float32],
    out_virtual: NDArray[np.float32],
    out_sum: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Add a frame to the sum pattern and read every virtual detector.

    Parameters
    ----------
    image : NDArray[np.float32]
        Padded frame in electrons, bad pixels 0.
    masks : NDArray[np.float32], shape (n, frame_rows, frame_cols)
        Sensitivity of each virtual detector, usually 0 or 1.
    out_virtual : NDArray[np.float32], shape (n + 3,)
        Counts of each detector, of the whole frame, and the frame's centre of mass (row, column) in pixels;
        NaN where the frame is empty.
    out_sum : NDArray[np.float32], shape (frame_rows, frame_cols)
        The frame is added, in detector counts.
    """
    n, rows, cols = masks.shape
    scale = np.float32(gain)
    total = moment_row = moment_col = 0.0
    out_virtual[:] = 0.0
    for r in range(rows):
        pixels, target = image[r + pad, pad : pad + cols], out_sum[r]
        line = line_moment = np.float32(0.0)
        for c in range(cols):
            line += pixels[c]
            line_moment += np.float32(c) * pixels[c]
            target[c] += scale * pixels[c]
        total += float(line)
        moment_row += r * float(line)
        moment_col += float(line_moment)
        for k in range(n):
            sensitivity = masks[k, r]
            seen = np.float32(0.0)
            for c in range(cols):
                seen += sensitivity[c] * pixels[c]
            out_virtual[k] += scale * seen
    out_virtual[n] = total * gain
    out_virtual[n + 1] = moment_row / total if total > 0.0 else np.nan
    out_virtual[n + 2] = moment_col / total if total > 0.0 else np.nan
