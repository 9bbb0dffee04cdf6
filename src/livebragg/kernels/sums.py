"""Sums over disks and boxes from a prefix sum down the columns: two loads per column, whatever its height.

The image is first binned so that the probe is a few bins wide: a disk is found as well on a coarser grid, and
the fit that follows does not depend on it. The prefix sum runs down the columns because then every step is one
whole row added to the row above: it vectorises, where a prefix sum along the rows is one long chain of
dependent additions. The sums are 32-bit integers: exact, and still exact when they wrap around, because only
differences are used. Kernels here run over the flat padded image, many rows in one loop: what they write into
the padding is never read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel

BLOCK = 4096
"""Bins worked on together, so that they stay in the fastest cache."""


def disk_spans(radius: float, binning: tuple[int, int] = (1, 1)) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns of a disk about a bin's centre.

    Parameters
    ----------
    radius : float
        Radius in pixels; a bin belongs to the disk when its centre does.
    binning : tuple of int
        Rows and columns of pixels in a bin.

    Returns
    -------
    offsets, halves : NDArray[np.int64]
        Column ``offsets[i]`` reaches from row ``-halves[i]`` to row ``halves[i]``, both included; in bins.
    """
    radius *= 1.0 + 1e-9  # a bin on the very circle belongs to the disk
    reach = int(np.floor(radius / binning[1]))
    offsets = np.arange(-reach, reach + 1, dtype=np.int64)
    rise = np.sqrt(np.maximum(radius**2 - (binning[1] * offsets.astype(np.float64)) ** 2, 0.0))
    return offsets, np.floor(rise / binning[0]).astype(np.int64)


@kernel()
def column_prefix(
    image: NDArray[np.float32],
    pad: int,
    binning: tuple[int, int],
    margin: int,
    scale: float,
    out_prefix: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    """Sum the columns of the binned image from the top, as integers modulo 2**32.

    Parameters
    ----------
    image : NDArray[np.float32]
        Frame with `pad` pixels of padding, at least a bin of them zero.
    binning : tuple of int
        Rows and columns of pixels in a bin: 1, 2 or 4; fewer columns only as 2 rows and 1 column.
    margin : int
        Bins of padding of the result.
    scale : float
        Units of the result per electron.
    out_prefix : NDArray[np.int32], shape (bin_rows + 2 * margin + 1, bin_cols + 2 * margin)
        Row ``r`` holds the sum of all bins above ``r``. The left and right margins must be zero, and stay so.
    """
    rows, cols = out_prefix.shape[0] - 2 * margin - 1, out_prefix.shape[1] - 2 * margin
    factor, tall, wide = np.float32(scale), binning[0], binning[1]
    for r in range(rows):
        above = out_prefix[r + margin, margin : margin + cols]
        below = out_prefix[r + margin + 1, margin : margin + cols]
        first = pad + tall * r
        if tall == 1:
            _add_line(image[first, pad:], factor, above, below)
        elif wide == 1:
            _add_two_lines(image[first, pad:], image[first + 1, pad:], factor, above, below)
        elif tall == 2:
            _add_pairs(image[first, pad:], image[first + 1, pad:], factor, above, below)
        else:
            _add_fours(image[first : first + 4], pad, factor, above, below)
    for r in range(rows + margin + 1, rows + 2 * margin + 1):
        _copy(out_prefix[rows + margin], out_prefix[r])


@kernel()
def _copy(source: NDArray[np.int32], out: NDArray[np.int32]) -> None:  # pragma: no cover - compiled
    for i in range(out.size):
        out[i] = source[i]


@kernel()
def _add_line(
    a: NDArray[np.float32], factor: np.float32, above: NDArray[np.int32], below: NDArray[np.int32]
) -> None:  # pragma: no cover - compiled
    for c in range(below.size):
        below[c] = above[c] + np.int32(a[c] * factor)


@kernel()
def _add_two_lines(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    factor: np.float32,
    above: NDArray[np.int32],
    below: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    for c in range(below.size):
        below[c] = above[c] + np.int32((a[c] + b[c]) * factor)


@kernel()
def _add_pairs(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    factor: np.float32,
    above: NDArray[np.int32],
    below: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    for c in range(below.size):
        total = (a[2 * c] + a[2 * c + 1]) + (b[2 * c] + b[2 * c + 1])
        below[c] = above[c] + np.int32(total * factor)


@kernel()
def _add_fours(
    lines: NDArray[np.float32],
    pad: int,
    factor: np.float32,
    above: NDArray[np.int32],
    below: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    p, q, s, t = lines[0, pad:], lines[1, pad:], lines[2, pad:], lines[3, pad:]
    for c in range(below.size):
        total = np.float32(0.0)
        for k in range(4):
            total += (p[4 * c + k] + q[4 * c + k]) + (s[4 * c + k] + t[4 * c + k])
        below[c] = above[c] + np.int32(total * factor)


@kernel()
def disk_sums(
    prefix: NDArray[np.int32],
    offsets: NDArray[np.int64],
    halves: NDArray[np.int64],
    first: int,
    count: int,
    width: int,
    out_sums: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    """Sum over the disk about every bin of a stretch of the flat padded image.

    Parameters
    ----------
    prefix : NDArray[np.int32]
        Flat column prefix sums, rows of `width` bins.
    first, count : int
        Stretch of the flat image.
    out_sums : NDArray[np.int32]
        Flat; only the stretch is written.
    """
    middle = offsets.size // 2
    target = out_sums[first : first + count]
    low, high = first + (halves[middle] + 1) * width, first - halves[middle] * width
    a, b = prefix[low : low + count], prefix[high : high + count]
    for i in range(count):
        target[i] = a[i] - b[i]
    # Columns left and right of the middle are equally high and share their two rows of the prefix sums.
    for k in range(middle):
        low, high = first + (halves[k] + 1) * width, first - halves[k] * width
        left, right = offsets[k], -offsets[k]
        a, b = prefix[low + left : low + left + count], prefix[high + left : high + left + count]
        c, d = prefix[low + right : low + right + count], prefix[high + right : high + right + count]
        for i in range(count):
            target[i] += (a[i] - b[i]) + (c[i] - d[i])


@kernel()
def box_sums(
    prefix: NDArray[np.int32],
    box: tuple[int, int, int],
    first: int,
    count: int,
    width: int,
    scratch: NDArray[np.int32],
    out_sums: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    """Sum over a box of bins about every bin of a stretch.

    Parameters
    ----------
    box : tuple of int
        Rows above and below the middle one, and two odd factors of the number of columns: as many neighbouring
        columns as the first says are summed, then as many such sums as the second says.
    scratch : NDArray[np.int32], shape (2, more than count + columns of the box)
        Sums of columns, and of some columns.
    """
    tall, fine, coarse = box
    half, reach = fine * coarse // 2, fine // 2
    start, n = first - half, count + 2 * half
    column = scratch[0, :n]
    low, high = start + (tall + 1) * width, start - tall * width
    a, b = prefix[low : low + n], prefix[high : high + n]
    for i in range(n):
        column[i] = a[i] - b[i]
    _slide(column, fine, 1, scratch[1, : n - 2 * reach])
    _slide(scratch[1, : n - 2 * reach], coarse, fine, out_sums[first : first + count])


@kernel()
def _slide(
    values: NDArray[np.int32], terms: int, step: int, out: NDArray[np.int32]
) -> None:  # pragma: no cover - compiled
    """``out[i]`` is the sum of `terms` (odd) values from ``values[i]`` on, `step` apart."""
    n = out.size
    a = values[:n]
    if terms == 1:
        for i in range(n):
            out[i] = a[i]
        return
    b, c = values[step : step + n], values[2 * step : 2 * step + n]
    for i in range(n):
        out[i] = a[i] + b[i] + c[i]
    for k in range(3, terms, 2):
        b, c = values[k * step : k * step + n], values[(k + 1) * step : (k + 1) * step + n]
        for i in range(n):
            out[i] += b[i] + c[i]


@kernel()
def window_sums(
    prefix: NDArray[np.int32],
    offsets: NDArray[np.int64],
    halves: NDArray[np.int64],
    box: tuple[int, int, int],
    margin: int,
    scratch: NDArray[np.int32],
    out_disk: NDArray[np.int32],
    out_box: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    """Disk and box sums of a whole frame, block by block.

    Parameters
    ----------
    prefix : NDArray[np.int32], shape (bin_rows + 2 * margin + 1, bin_cols + 2 * margin)
        From `column_prefix`; `margin` is more than half the box and more than the disk's radius.
    scratch : NDArray[np.int32], shape (2, BLOCK + 4 * (bin_cols + 2 * margin))
    out_disk, out_box : NDArray[np.int32], shape (bin_rows + 2 * margin, bin_cols + 2 * margin)
        Right at every bin of the frame, arbitrary in the margin.
    """
    width = prefix.shape[1]
    rows, cols = prefix.shape[0] - 2 * margin - 1, width - 2 * margin
    flat, disks, boxes = prefix.reshape(-1), out_disk.reshape(-1), out_box.reshape(-1)
    step = max(BLOCK // width, 1)
    for r in range(0, rows, step):
        first = (r + margin) * width + margin
        count = (min(r + step, rows) - r - 1) * width + cols
        disk_sums(flat, offsets, halves, first, count, width, disks)
        box_sums(flat, box, first, count, width, scratch, boxes)
