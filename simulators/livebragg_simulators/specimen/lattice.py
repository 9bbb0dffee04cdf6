"""Crystals, and which reflections a zone axis shows: hkl, reciprocal vector, kinematic strength."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Atom = tuple[float, float, float, float, float]
"""Atomic number, occupancy, and the fractional coordinates in the cell."""

_DEBYE_WALLER_B = 0.6
"""Mean Debye-Waller factor in Å², typical of metals at room temperature."""


@dataclass(frozen=True, slots=True)
class Crystal:
    """A crystal structure.

    Parameters
    ----------
    name : str
        Short name of the phase.
    cell : tuple
        ``(a, c, hexagonal)``: lattice constants in Å, and whether the angle between a and b is 120°.
    atoms : tuple of Atom
        What is in the cell.
    """

    name: str
    cell: tuple[float, float, bool]
    atoms: tuple[Atom, ...]

    @property
    def axes(self) -> NDArray[np.float64]:
        """Rows are the cell's axes in Å."""
        a, c, hexagonal = self.cell
        b = (-0.5 * a, np.sqrt(0.75) * a, 0.0) if hexagonal else (0.0, a, 0.0)
        return np.array([(a, 0.0, 0.0), b, (0.0, 0.0, c)])


def _atoms(number: float, sites: str) -> tuple[Atom, ...]:
    return tuple((number, 1.0, *_SITES[label]) for label in sites)


_SITES = {
    "o": (0.0, 0.0, 0.0),
    "x": (0.0, 0.5, 0.5),
    "y": (0.5, 0.0, 0.5),
    "z": (0.5, 0.5, 0.0),
    "i": (0.5, 0.5, 0.5),
    "h": (1 / 3, 2 / 3, 0.5),
    "X": (0.5, 0.0, 0.0),
    "Y": (0.0, 0.5, 0.0),
    "Z": (0.0, 0.0, 0.5),
}
_MIXED = tuple(atom for label in "oxyz" for atom in ((79.0, 0.25, *_SITES[label]), (29.0, 0.75, *_SITES[label])))

CRYSTALS = {
    "au": Crystal("au", (4.078, 4.078, False), _atoms(79, "oxyz")),
    "w": Crystal("w", (3.165, 3.165, False), _atoms(74, "oi")),
    "ti": Crystal("ti", (2.951, 4.684, True), ((22.0, 1.0, 0.0, 0.0, 0.0), *_atoms(22, "h"))),
    "mgo": Crystal("mgo", (4.212, 4.212, False), _atoms(12, "oxyz") + _atoms(8, "iXYZ")),
    "cu3au": Crystal("cu3au", (3.75, 3.75, False), _atoms(79, "o") + _atoms(29, "xyz")),
    "cu3au_disordered": Crystal("cu3au_disordered", (3.75, 3.75, False), _MIXED),
}
"""The crystals a specimen can be made of."""


@dataclass(frozen=True, slots=True)
class GrainKind:
    """A crystal seen along a zone axis; its zero-order pattern repeats after `period_deg` of rotation."""

    crystal: str
    zone: tuple[int, int, int]
    period_deg: float
    scattered: float = 0.35
    """Fraction of the beam in all disks but the direct one, on the zone axis."""


GRAIN_KINDS = {
    "au-001": GrainKind("au", (0, 0, 1), 90),
    "au-011": GrainKind("au", (0, 1, 1), 180),
    "au-111": GrainKind("au", (1, 1, 1), 60, 0.25),
    "au-112": GrainKind("au", (1, 1, 2), 180, 0.3),
    "w-001": GrainKind("w", (0, 0, 1), 90),
    "w-011": GrainKind("w", (0, 1, 1), 180),
    "w-111": GrainKind("w", (1, 1, 1), 60),
    "ti-0001": GrainKind("ti", (0, 0, 1), 60),
    "ti-1000": GrainKind("ti", (1, 0, 0), 180),
    "mgo-001": GrainKind("mgo", (0, 0, 1), 90),
    "mgo-011": GrainKind("mgo", (0, 1, 1), 180),
    "cu3au-001": GrainKind("cu3au", (0, 0, 1), 90),
    "cu3au-011": GrainKind("cu3au", (0, 1, 1), 180),
}
"""The grains a specimen can have, by name."""


@dataclass(frozen=True, slots=True)
class Reflections:
    """The reflections of a pattern, the direct beam not among them.

    Parameters
    ----------
    hkl : NDArray[np.int16], shape (n, 3)
        Miller indices.
    g : NDArray[np.float64], shape (n, 2)
        Reciprocal vectors in the pattern's plane, in 1/Å.
    strength : NDArray[np.float64], shape (n,)
        Relative intensity when the reflection is exactly excited.
    """

    hkl: NDArray[np.int16]
    g: NDArray[np.float64]
    strength: NDArray[np.float64]


def zone_pattern(kind: GrainKind, g_max: float, *, disordered: bool = False) -> Reflections:
    """Zero-order Laue zone of a grain kind.

    Parameters
    ----------
    kind : GrainKind
        Crystal and zone axis.
    g_max : float
        Longest reciprocal vector, in 1/Å.
    disordered : bool
        Take the crystal's disordered variant: same lattice, atoms mixed.

    Returns
    -------
    Reflections
        Nearest to the beam first. The disordered variant has the strengths of forbidden reflections at zero.
    """
    mixed = f"{kind.crystal}_disordered"
    crystal = CRYSTALS[mixed if disordered and mixed in CRYSTALS else kind.crystal]
    hkl, g = _zero_zone(crystal, kind.zone, g_max)
    kinematic = _kinematic(crystal, hkl)
    return Reflections(hkl.astype(np.int16), g, kinematic / (1 + kinematic))


def rings(crystal: Crystal, g_max: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int16]]:
    """Powder rings of a crystal: radii in 1/Å, relative intensities that add up to 1, and one hkl of each."""
    hkl = _all_hkl(crystal, g_max)
    length = np.linalg.norm(hkl @ _reciprocal(crystal), axis=1)
    strength = _kinematic(crystal, hkl) / length**2
    radii, last, which = np.unique(length[::-1].round(4), return_index=True, return_inverse=True)
    total = np.bincount(which, weights=strength[::-1], minlength=len(radii))
    seen = total > 0.01 * total.max(initial=0.0)
    return radii[seen], total[seen] / max(total[seen].sum(), 1e-12), hkl[::-1][last[seen]].astype(np.int16)


def _reciprocal(crystal: Crystal) -> NDArray[np.float64]:
    return np.asarray(np.linalg.inv(crystal.axes).T, np.float64)


def _all_hkl(crystal: Crystal, g_max: float) -> NDArray[np.int64]:
    limits = np.floor(g_max * np.linalg.norm(crystal.axes, axis=1)).astype(int)
    ranges = [np.arange(-n, n + 1) for n in limits]
    hkl = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    length = np.linalg.norm(hkl @ _reciprocal(crystal), axis=1)
    return np.asarray(hkl[(length > 1e-9) & (length <= g_max)], np.int64)


def _zero_zone(
    crystal: Crystal, zone: tuple[int, int, int], g_max: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    hkl = _all_hkl(crystal, g_max)
    hkl = hkl[hkl @ np.array(zone) == 0]
    g = hkl @ _reciprocal(crystal)
    order = np.lexsort((hkl[:, 2], hkl[:, 1], hkl[:, 0], np.linalg.norm(g, axis=1).round(6)))
    hkl, g = hkl[order], g[order]
    if len(g) == 0:
        return hkl, np.zeros((0, 2))
    first = g[0] / np.linalg.norm(g[0])
    axis = np.array(zone) @ crystal.axes
    second = np.cross(axis / np.linalg.norm(axis), first)
    return hkl, np.stack([g @ first, g @ second], axis=1)


def _kinematic(crystal: Crystal, hkl: NDArray[np.int64]) -> NDArray[np.float64]:
    """Kinematic intensity; about 1 for the strongest reflections of gold, where two beams would saturate.

    The atoms scatter as screened Coulomb potentials (Wentzel; Thomas-Fermi radius), which is close enough to
    tabulated factors for a believable fall-off and needs nothing but the atomic number.
    """
    length = np.linalg.norm(hkl @ _reciprocal(crystal), axis=1)
    structure = np.zeros(len(hkl), np.complex128)
    for number, occupancy, *site in crystal.atoms:
        screening = 0.340 * number ** (1 / 3)
        factor = occupancy * number / (length**2 + screening**2)
        structure += factor * np.exp(2j * np.pi * (hkl @ np.array(site)))
    damping = np.exp(-0.5 * _DEBYE_WALLER_B * length**2)
    volume = abs(np.linalg.det(crystal.axes))
    return np.asarray(1.5 * np.abs(structure / volume) ** 2 * damping, np.float64)
