"""Simulated and semi-real scans with the truth about every disk.

Layout: ``data`` (rows, cols, frame rows, frame cols); ``truth/disks/{frame_offsets, y, x, intensity}`` and, where
there are Miller indices, ``h, k, l``; ``truth/origin``; optionally ``truth/flux``, ``truth/hot_pixels``,
``truth/dead_pixels``; attributes ``dose`` and ``disk_radius_px``. Intensity times dose times flux is in electrons.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueFrame:
    """What is true of one frame."""

    positions: NDArray[np.float64]
    """(n, 2): geometric centres of the disks, rows and columns, the brightest first."""
    electrons: NDArray[np.float64]
    """(n,): expected electrons of each."""
    origin: NDArray[np.float64]
    """(2,): the undiffracted beam."""
    beam_electrons: float
    """Expected within the direct disk and 1.2 pixels around it, NaN where the file does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueScan:
    """Some scan lines and the truth about them."""

    frames: NDArray[np.generic]
    """(n, frame rows, frame cols)."""
    truth: list[TrueFrame]
    probe_frames: NDArray[np.generic]
    """Sixteen frames of the whole scan, from which a user's probe would be measured."""
    radius: float
    odd_pixels: dict[str, NDArray[np.int64]]
    """(n, 2) of hot and of dead pixels."""


def read_scan(path: Path, lines: int) -> TrueScan:
    """Read `lines` scan lines, evenly spread.

    Raises
    ------
    KeyError
        The file has no truth of the layout above.
    """
    with h5py.File(path) as file:
        data = file["data"]
        rows, cols = data.shape[:2]
        chosen = np.unique(((np.arange(lines) + 0.5) * rows / lines).astype(int))
        sample = np.linspace(0, rows * cols - 1, 16).astype(int)
        index = [r * cols + c for r in chosen for c in range(cols)]
        odd = {kind: file["truth"].get(f"{kind}_pixels") for kind in ("hot", "dead")}
        return TrueScan(
            frames=np.concatenate([data[r] for r in chosen]),
            truth=_truth(file, index),
            probe_frames=np.stack([data[np.unravel_index(k, (rows, cols))] for k in sample]),
            radius=float(file.attrs["disk_radius_px"]),
            odd_pixels={k: v[()].astype(np.int64) for k, v in odd.items() if v is not None},
        )


def _truth(file: h5py.File, index: list[int]) -> list[TrueFrame]:
    disks, dose = file["truth/disks"], float(file.attrs["dose"])
    columns = np.stack([disks[name][()].astype(np.float64) for name in ("y", "x", "intensity")], axis=1)
    offsets, origin = disks["frame_offsets"][()], file["truth/origin"][()].reshape(-1, 2)
    flux = file["truth/flux"][()].ravel() if "flux" in file["truth"] else np.ones(len(origin))
    beam = (
        file["truth/direct_beam"][()].ravel() if "direct_beam" in file["truth"] else np.full(len(origin), np.nan)
    )
    whole = []
    for k in index:
        here = columns[offsets[k] : offsets[k + 1]]
        here = here[np.argsort(-here[:, 2])]
        electrons = here[:, 2] * dose * flux[k]
        whole.append(
            TrueFrame(
                positions=here[:, :2],
                electrons=electrons,
                origin=origin[k].astype(np.float64),
                beam_electrons=float(beam[k] * dose),
            )
        )
    return whole
