"""What every position scatters, per electron of the beam: the smooth part by radius, and its disks.

Channels of a position: the radial profile between the disks, what lies in disks on tracked peaks, and what lies
in other disks that are too bright for speckle. They are averaged over the nearest neighbours, since a phase is
seldom a single position wide and one frame holds few electrons; patterns of a mixture still add up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.classify.forced import Vectors
from livebragg.kernels.scattered_disks import sort_disks
from livebragg.model import RadialBatch

RadialReader = Callable[[NDArray[np.int64]], RadialBatch]
"""Gives the stored profiles of positions; those not seen have no pixels."""

_SMOOTHING = 0.7
"""Standard deviation of the average over neighbours, in scan positions."""
_REACH = 2
"""Neighbours in that average on each side."""
_LEAST_FILL = 0.25
"""Bins with fewer pixels, relative to a whole ring, are at the corners of the frame or behind the beam stop."""
_CONTRAST = 6.0
"""A disk this many times brighter than the smooth scattering under it is no speckle: speckle is exponentially
distributed, and one in 400 reaches 6 times its mean."""
_RING_BINS = 24
_BEAM_AGAIN = 1.05
"""Growth of the scan after which the typical counts of a frame are determined again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatteringView:
    """Signals of all positions; shared, not to be written to.

    Parameters
    ----------
    smooth : NDArray[np.float32], shape (n_positions, bins)
        Part of the beam per pixel in each bin, averaged over neighbours.
    disks : NDArray[np.float32], shape (n_positions, 2)
        Part of the beam in disks on tracked peaks, and in other bright disks, averaged over neighbours.
    share : NDArray[np.float32], shape (n_positions,)
        Part of the beam outside of the direct disk at the position itself; NaN where it is not known.
    granular : NDArray[np.bool_], shape (n_positions,)
        Bright disks on no tracked peak are most of what the position scatters into disks.
    rings : NDArray[np.float32], shape (n_positions, ring_bins)
        Part of the beam in those disks by radius, and how much of it is textured in the last column.
    area : NDArray[np.float32], shape (bins,)
        Pixels of each bin in a frame without disks.
    beam : float
        Median counts in a frame.
    """

    smooth: NDArray[np.float32]
    disks: NDArray[np.float32]
    share: NDArray[np.float32]
    granular: NDArray[np.bool_]
    rings: NDArray[np.float32]
    area: NDArray[np.float32]
    beam: float


class Scattering:
    """Keeps the signals of all positions up to date as they arrive.

    Memory is 4 bytes per bin and position, and 110 bytes per position besides.

    Parameters
    ----------
    scan_shape : tuple of int
        ``(scan_rows, scan_cols)``; rows may be added.
    probe_radius : float
        In pixels.
    center_radius : float
        Disks nearer to the origin are the direct beam, in pixels.
    granular_disks : int
        Bright disks on no tracked peak that make a position granular.
    """

    def __init__(
        self, scan_shape: tuple[int, int], *, probe_radius: float, center_radius: float, granular_disks: int
    ) -> None:
        self._rows, self._cols = scan_shape
        self._probe_radius = probe_radius
        self._center_radius = center_radius
        self._granular_disks = granular_disks
        self.reset()

    def change(self, granular_disks: int) -> bool:
        """Use another limit; whether it is another one, so that `look_at_disks` is due for all positions."""
        before, self._granular_disks = self._granular_disks, granular_disks
        return before != granular_disks

    def reset(self) -> None:
        """Forget all positions and which bins there are."""
        self._bins = np.zeros(0, np.int64)
        self._radii = np.zeros(0)
        self._area = np.zeros(0, np.float32)
        n = self._rows * self._cols
        self._n_known = self._beam_of = 0
        self._beam = 1.0
        self._total = np.zeros(n, np.float32)
        self._smooth = np.zeros((n, 0), np.float32)
        self._own = np.zeros((n, 2), np.float32)
        self._disks = np.zeros((n, 2), np.float32)
        self._share = np.full(n, np.nan, np.float32)
        self._granular = np.zeros(n, np.bool_)
        self._rings = np.zeros((n, _RING_BINS + 1), np.float32)

    @property
    def n_positions(self) -> int:
        """Positions there is room for: whole lines."""
        return len(self._total)

    @property
    def n_lines(self) -> int:
        """Scan lines there is room for."""
        return len(self._total) // self._cols

    @property
    def view(self) -> ScatteringView:
        """The present signals without a copy."""
        return ScatteringView(
            smooth=self._smooth,
            disks=self._disks,
            share=self._share,
            granular=self._granular,
            rings=self._rings,
            area=self._area,
            beam=self._beam,
        )

    def lines_of(self, positions: NDArray[np.int64], reach: int = _REACH) -> NDArray[np.int64]:
        """Scan lines whose averages depend on some positions."""
        lines = np.flatnonzero(np.bincount(positions // self._cols))
        near = (lines[:, None] + np.arange(reach + 1 + reach)).ravel()  # `reach` more, so that none is below 0
        found = np.flatnonzero(np.bincount(near)) - reach
        return found[(found >= 0) & (found < self.n_lines)]

    def add(self, positions: NDArray[np.int64], profiles: RadialBatch, total: NDArray[np.float32]) -> None:
        """Take note of new positions, before `update`.

        Parameters
        ----------
        profiles : RadialBatch
            Of those positions.
        total : NDArray[np.float32], shape (n,)
            Counts of their frames.
        """
        if self._bins.size == 0:
            self._choose_bins(profiles)
        self._make_room(int(positions.max(initial=-1)) + 1)
        self._area = np.maximum(self._area, profiles.pixels[:, self._bins].max(axis=0, initial=0))
        self._total[positions] = np.maximum(total, 0.0)
        mean = np.nan_to_num(profiles.mean[:, self._bins])
        scattered = np.maximum(mean, 0.0) @ self._area
        self._share[positions] = scattered / np.maximum(total, 1.0)
        self._n_known += positions.size
        if self._n_known >= _BEAM_AGAIN * self._beam_of:
            self._beam_of = self._n_known
            known = self._total[self._total > 0]
            self._beam = float(np.median(known)) if known.size else 1.0

    def average(self, lines: NDArray[np.int64], read: RadialReader) -> None:
        """Average the profiles of some lines over their neighbours; `read` gives the profiles of positions."""
        for first, last in runs_of(lines):
            low, high = max(first - _REACH, 0), min(last + _REACH, len(self._total) // self._cols - 1)
            positions = np.arange(low * self._cols, (high + 1) * self._cols)
            profiles = read(positions)
            pixels = profiles.pixels[:, self._bins].astype(np.float32)
            counts = np.nan_to_num(profiles.mean[:, self._bins]) * pixels
            # Counts per pixel and electron of positions that saw other beams: weights of both are the pixels.
            beam = pixels * self._total[positions, None]
            sums = [self._over_neighbours(values) for values in (counts, beam)]
            keep = slice((first - low) * self._cols, (last - low + 1) * self._cols)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = sums[0][keep] / sums[1][keep]
            self._smooth[first * self._cols : (last + 1) * self._cols] = np.nan_to_num(np.maximum(mean, 0.0))

    def look_at_disks(
        self,
        positions: NDArray[np.int64],
        vectors: Vectors,
        column: NDArray[np.signedinteger],
        origins: NDArray[np.float32],
    ) -> None:
        """Sort the disks of some positions into tracked ones, bright others, and speckle.

        `column` is the tracked peak of each disk, below 0 for none.
        """
        if self._bins.size == 0:  # no ring lies outside of the direct beam
            return
        sort_disks(
            vectors.qx,
            vectors.qy,
            vectors.intensity,
            column,
            positions,
            vectors.start[positions],
            np.maximum(vectors.count[positions], 0),
            np.ascontiguousarray(origins, np.float32),
            self._total,
            self._smooth,
            self._radii,
            self._center_radius,
            _CONTRAST,
            np.pi * self._probe_radius**2,
            self._granular_disks,
            self._own,
            self._granular,
            self._rings,
        )

    def average_disks(self, lines: NDArray[np.int64]) -> None:
        """Average what lies in disks over the neighbours of some lines."""
        for first, last in runs_of(lines):
            low, high = max(first - _REACH, 0), min(last + _REACH, len(self._total) // self._cols - 1)
            part = slice(low * self._cols, (high + 1) * self._cols)
            seen = (self._total[part] > 0).astype(np.float32)[:, None]
            sums = self._over_neighbours(self._own[part] * seen)
            number = self._over_neighbours(seen)
            keep = slice((first - low) * self._cols, (last - low + 1) * self._cols)
            self._disks[first * self._cols : (last + 1) * self._cols] = sums[keep] / np.maximum(number[keep], 1e-6)

    def _over_neighbours(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        grid = values.reshape(-1, self._cols, values.shape[1])
        width = (_SMOOTHING, _SMOOTHING, 0)
        return np.asarray(
            ndimage.gaussian_filter(grid, width, mode="constant", radius=(_REACH, _REACH, 0)), np.float32
        ).reshape(values.shape)

    def _choose_bins(self, profiles: RadialBatch) -> None:
        """Bins outside of the direct beam that hold most of their ring."""
        radii = profiles.radii.astype(np.float64)
        width = radii[1] - radii[0] if radii.size > 1 else 1.0
        ring = 2 * np.pi * radii * width
        full = profiles.pixels.max(axis=0) > _LEAST_FILL * ring
        outside = radii > self._center_radius + 0.5 * width
        self._bins = np.flatnonzero(outside & full if (outside & full).any() else outside)
        self._radii = radii[self._bins]
        self._area = np.zeros(self._bins.size, np.float32)
        self._smooth = np.zeros((len(self._total), self._bins.size), np.float32)

    def _make_room(self, needed: int) -> None:
        if needed <= len(self._total):
            return
        lines = max(-(-needed // self._cols), 3 * len(self._total) // (2 * self._cols))
        for name, fill in _FILL.items():
            values = getattr(self, name)
            grown = np.full((lines * self._cols, *values.shape[1:]), fill, values.dtype)
            grown[: len(values)] = values
            setattr(self, name, grown)


_FILL = {"_total": 0, "_smooth": 0, "_own": 0, "_disks": 0, "_share": np.nan, "_granular": False, "_rings": 0}


def runs_of(lines: NDArray[np.int64], gap: int = 1) -> list[tuple[int, int]]:
    """First and last of each run of rising numbers of which none is further than `gap` from the one before."""
    if lines.size == 0:
        return []
    breaks = np.flatnonzero(np.diff(lines) > gap)
    firsts = lines[np.concatenate([[0], breaks + 1])]
    lasts = lines[np.concatenate([breaks, [lines.size - 1]])]
    return [(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True)]
