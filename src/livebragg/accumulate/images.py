"""One number per scan position, and the sum of all frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.model.arrays import with_room


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStack:
    """Copies of the images of a scan.

    Parameters
    ----------
    values : dict of str to NDArray[np.float32], shape (n_positions,)
        One image per name, flat; NaN where not seen.
    sum_pattern : NDArray[np.float64], shape (frame_rows, frame_cols)
        Sum of all frames.
    """

    values: dict[str, NDArray[np.float32]]
    sum_pattern: NDArray[np.float64]


class ScanImages:
    """Virtual images and other scalar maps, filled as positions arrive.

    Examples
    --------
    >>> import numpy as np
    >>> images = ScanImages(["total"], n_positions=3, frame_shape=(2, 2))
    >>> images.update(np.array([1]), np.array([[7.0]], np.float32), np.ones((2, 2)))
    >>> images.snapshot().values["total"].tolist()
    [nan, 7.0, nan]
    """

    def __init__(self, names: Sequence[str], n_positions: int, frame_shape: tuple[int, int]) -> None:
        self.names = tuple(names)
        self._n_positions = n_positions
        self._frame_shape = frame_shape
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._values = np.full((len(self.names), self._n_positions), np.nan, np.float32)
        self._sum = np.zeros(self._frame_shape)

    def update(
        self,
        scan_index: NDArray[np.int64],
        values: NDArray[np.float32],
        sum_pattern: NDArray[np.floating] | None = None,
    ) -> None:
        """Set the values, shape (n, len(names)), of some positions and add to the sum of frames."""
        needed = int(scan_index.max(initial=-1)) + 1
        self._values = with_room(self._values, needed, fill=np.nan, axis=1)
        self._values[:, scan_index] = values.T
        if sum_pattern is not None:
            self._sum += sum_pattern

    def at(self, scan_index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Values of some positions, shape (n, len(names))."""
        return self._values[:, scan_index].T

    def snapshot(self) -> ImageStack:
        """Copy of all images."""
        values = {name: row.copy() for name, row in zip(self.names, self._values, strict=True)}
        return ImageStack(values=values, sum_pattern=self._sum.copy())
