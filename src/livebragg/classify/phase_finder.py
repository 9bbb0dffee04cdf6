"""Finds the phases without tracked Bragg peaks: their groups of positions, their ids, and their pure patterns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.class_maps import ClassMaps
from livebragg.classify.phases import coarser, find_groups, inside_domains, unit_roots
from livebragg.classify.scattering import ScatteringView
from livebragg.config.analysis import FamiliesConfig
from livebragg.model import ClassFamily

_VARIATION = 0.05
"""Relative variation of smooth scattering within a phase that is no sign of another."""
_DISK_VARIATION = 0.15
"""The same of the intensity in disks, which tilt changes."""
_COUNTS = 4000.0
"""Counts behind a profile that tell phases apart: its roots are then known to 1 %."""
_COUNTS_PER_RING = 200.0
"""The same for positions of a polycrystal, which have a few disks each."""
_WIDEST = 3.0
_MEMBERS = 4096
"""Positions behind the pattern of a phase."""

NewId = Callable[[ClassFamily], int]


@dataclass(frozen=True, slots=True)
class Phase:
    """A class that is no crystal."""

    number: int
    family: ClassFamily
    members: NDArray[np.int64]
    """(n,): positions inside its domains, whose mean is its pattern."""


class PhaseFinder:
    """Looks for phases among positions that are no crystals.

    Parameters
    ----------
    config : FamiliesConfig
        Thresholds.
    scan_cols : int
        Positions in a scan line.
    """

    def __init__(self, config: FamiliesConfig, scan_cols: int) -> None:
        self._config = config
        self._cols = scan_cols

    def find(
        self,
        view: ScatteringView,
        rest: NDArray[np.bool_],
        before: NDArray[np.int16],
        known: dict[int, ClassFamily],
        new_id: NewId,
    ) -> list[Phase]:
        """The phases, by id.

        Parameters
        ----------
        view : ScatteringView
            Signals of all positions.
        rest : NDArray[np.bool_], shape (n_positions,)
            Positions that are neither crystal nor vacuum.
        before : NDArray[np.int16], shape (n_positions,)
            Labels so far: a group that has most of a class's positions keeps its id.
        known : dict of int to str
            Families of the classes so far.
        new_id : callable
            Gives the permanent id of a new class of a family.
        """
        n = rest.size
        granular = rest & view.granular[:n]
        smooth = view.smooth[:n]
        found: list[tuple[ClassFamily, NDArray[np.int64]]] = []
        counts = smooth @ view.area * view.beam
        found += [("amorphous", group) for group in self._groups(smooth, view.area, rest & ~granular, counts)]
        if granular.sum() >= self._config.min_positions:
            rings, one = view.rings[:n], np.ones(1, np.float32)
            disks = rings.sum(axis=1) * _COUNTS_PER_RING / max(float(rings[granular].sum(axis=1).mean()), 1e-9)
            found += [("polycrystal", group) for group in self._groups(rings, one, granular, disks)]
        return self._named(found, view, before, known, new_id)

    def _groups(
        self,
        profiles: NDArray[np.float32],
        area: NDArray[np.float32],
        where: NDArray[np.bool_],
        counts: NDArray[np.float32],
    ) -> list[NDArray[np.int64]]:
        """Positions of each group of one family.

        The fewer counts a position has, the more neighbours are averaged, so that phases a few per cent apart
        stand out of the noise.
        """
        if where.sum() < self._config.min_positions:
            return []
        wanted = _COUNTS / max(float(np.median(counts[where])), 1e-6)
        width = float(np.clip(np.sqrt(wanted / (4 * np.pi)), 1.0, _WIDEST))
        coarse = unit_roots(coarser(profiles, area), np.ones(1, np.float32))
        grid, kind = coarse.reshape(-1, self._cols, coarse.shape[1]), where.reshape(-1, self._cols)
        inside = inside_domains(grid, kind, counts.reshape(-1, self._cols), int(width + 0.5))
        smoother = unit_roots(self._near(profiles, where, inside, width), area)
        together = 4 * np.pi * width**2  # positions behind each average
        groups = find_groups(
            smoother,
            self._checkerboard(inside, int(4 * width + 2)),
            noise=0.5 / np.sqrt(max(float(np.median(counts[where])) * together, 1.0)),
            together=max(1.0, together * inside.size / max(int(where.sum()), 1)),
            separation=self._config.separation,
            cosine=self._config.merge_cosine,
            members=max(3, int(self._config.min_share * inside.size), int(2 * width**2)),
            near=self._neighbours(inside, int(width + 0.5)),
        )
        return [inside[group] for group in groups] or [np.flatnonzero(where)]

    def _checkerboard(self, positions: NDArray[np.int64], square: int) -> NDArray[np.bool_]:
        """Every other square of the scan, larger than the averages: neighbours share their noise."""
        row, col = np.divmod(positions, self._cols)
        return np.asarray((row // square + col // square) % 2 == 1)

    def _neighbours(self, positions: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
        """For each of some rising positions the indices of those that lie so near, its own where none does."""
        col, own = positions % self._cols, np.arange(positions.size)
        found = [own]
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                there = positions + down * self._cols + right
                index = np.minimum(np.searchsorted(positions, there), positions.size - 1)
                beside = (positions[index] == there) & (col + right >= 0) & (col + right < self._cols)
                found.append(np.where(beside, index, own))
        return np.stack(found, axis=1)

    def _near(
        self, rows: NDArray[np.float32], where: NDArray[np.bool_], positions: NDArray[np.int64], width: float
    ) -> NDArray[np.float32]:
        """Mean over the nearest neighbours of the same kind, weighted by a Gaussian of this width."""
        row, col = np.divmod(positions, self._cols)
        total = np.zeros((positions.size, rows.shape[1]), np.float32)
        weight = np.zeros((positions.size, 1), np.float32)
        reach = int(2 * width)
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                there = (row + down) * self._cols + col + right
                inside = (row + down >= 0) & (col + right >= 0) & (col + right < self._cols) & (there < where.size)
                near = np.where(inside, there, 0)
                share = np.exp(-0.5 * (down**2 + right**2) / width**2) * (inside & where[near])
                total += share[:, None].astype(np.float32) * rows[near]
                weight += share[:, None].astype(np.float32)
        return np.asarray(total / np.maximum(weight, 1e-6), np.float32)

    def _named(
        self,
        found: list[tuple[ClassFamily, NDArray[np.int64]]],
        view: ScatteringView,
        before: NDArray[np.int16],
        known: dict[int, ClassFamily],
        new_id: NewId,
    ) -> list[Phase]:
        """Give groups the ids of the classes whose positions they have, or new ones."""
        pairs = []
        for index, (family, group) in enumerate(found):
            labels, counts = np.unique(before[group], return_counts=True)
            pairs += [
                (int(count), -int(label), index)
                for label, count in zip(labels, counts, strict=True)
                if known.get(int(label)) == family
            ]
        numbers: dict[int, int] = {}
        for _, label, index in sorted(pairs, reverse=True):
            if index not in numbers and -label not in numbers.values():
                numbers[index] = -label
        phases = []
        for index, (family, group) in enumerate(found):
            number = numbers[index] if index in numbers else new_id(family)
            phases.append(Phase(number, family, group[:: max(1, -(-group.size // _MEMBERS))]))
        return sorted(phases, key=lambda phase: phase.number)


def channels(view: ScatteringView, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Smooth scattering in each ring, then the disks: parts of the beam of some positions, shape (n, bins + 2)."""
    return np.column_stack([view.smooth[positions], view.disks[positions]])


def errors(mean: NDArray[np.float32], view: ScatteringView) -> NDArray[np.float32]:
    """Standard error of each channel of a typical position: counting, and variation within a phase."""
    pixels = np.append(np.maximum(view.area, 1.0), [1.0, 1.0])
    counting = np.maximum(mean, 1e-9) / (pixels * view.beam)
    relative = np.append(np.full(view.area.size, _VARIATION), [_DISK_VARIATION] * 2)
    return np.sqrt(counting + (relative * mean) ** 2 + 1e-24).astype(np.float32)


def crystal_patterns(
    view: ScatteringView, crystals: ClassMaps, seen: NDArray[np.bool_]
) -> dict[int, NDArray[np.float32]]:
    """Median pattern of the positions of each crystalline class."""
    patterns = {}
    for number in crystals.class_ids:
        members = np.flatnonzero(seen & (crystals.labels == number))
        if members.size:
            patterns[int(number)] = np.median(channels(view, members[:: max(1, members.size // 2000)]), axis=0)
    return patterns
