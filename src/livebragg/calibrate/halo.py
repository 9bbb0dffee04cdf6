"""Mean of the smooth scattering about a common origin: what the ellipse of a halo is measured in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WINGS = 1.0
"""Pixels left out about a disk, beyond its radius: its edge is no step."""


class HaloPattern:
    """Sum of frames shifted by whole pixels to one origin, with what lies under Bragg disks left out.

    The half pixel that such a shift is wrong by blurs the halo alike in all directions, hence leaves its ellipse.

    Parameters
    ----------
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    probe_radius : float
        Radius of the disks, in pixels.
    usable : NDArray[np.bool_], shape frame_shape, optional
        False at pixels that are left out of every frame.

    Examples
    --------
    >>> import numpy as np
    >>> halo = HaloPattern((4, 4), probe_radius=0.5)
    >>> halo.add(np.eye(4), origin=np.array([1.0, 1.0]), disks=np.zeros((0, 2)))
    >>> mean, weight, center = halo.snapshot()
    >>> float(mean[center[0], center[1]]), int((weight > 0).sum())
    (1.0, 16)
    """

    def __init__(
        self, frame_shape: tuple[int, int], probe_radius: float, usable: NDArray[np.bool_] | None = None
    ) -> None:
        self._shape = frame_shape
        self._usable = np.ones(frame_shape, np.bool_) if usable is None else usable
        self._reach = probe_radius + _WINGS
        self._rows, self._cols = np.indices(frame_shape)
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        size = (2 * self._shape[0] - 1, 2 * self._shape[1] - 1)
        self._sum, self._number = np.zeros(size), np.zeros(size)
        self.n_frames = 0

    def add(self, frame: NDArray[np.generic], origin: NDArray[np.floating], disks: NDArray[np.floating]) -> None:
        """Take one frame with its origin and disks, shape (n, 2), in detector pixels.

        A frame whose origin lies outside of it is left out.
        """
        if not (
            np.isfinite(origin).all() and (np.rint(origin) >= 0).all() and (np.rint(origin) < self._shape).all()
        ):
            return
        values = np.asarray(frame, np.float64)
        usable = np.isfinite(values) & self._usable
        for qx, qy in disks:
            usable &= (self._rows - qx) ** 2 + (self._cols - qy) ** 2 > self._reach**2
        row, col = (n - 1 - int(o) for n, o in zip(self._shape, np.rint(origin), strict=True))
        where = slice(row, row + self._shape[0]), slice(col, col + self._shape[1])
        self._sum[where] += np.where(usable, values, 0.0)
        self._number[where] += usable
        self.n_frames += 1

    def snapshot(self) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, int]]:
        """Mean counts of each pixel (NaN for none), its weight (frames over mean), and the origin's pixel."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self._sum / self._number
        least = np.nanmean(mean) * 1e-3 if self.n_frames else 1.0
        weight = np.where(self._number > 0, self._number / np.maximum(mean, max(least, 1e-12)), 0.0)
        return mean, np.nan_to_num(weight), (self._shape[0] - 1, self._shape[1] - 1)
