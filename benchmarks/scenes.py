"""Seeded diffraction frames with known disks: uniform disks with a blurred edge on a diffuse background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.detect import ProbeTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One frame and the truth about it."""

    frame: NDArray[np.uint16]
    """Counts, with Poisson noise."""
    expected: NDArray[np.float64]
    """Mean counts."""
    background: NDArray[np.float64]
    """Mean counts of the diffuse background alone."""
    positions: NDArray[np.float64]
    """(n, 2): centres of the disks, rows and columns, in pixels."""
    intensities: NDArray[np.float64]
    """(n,): mean electrons of each disk."""


def make_scene(
    seed: int,
    *,
    frame_shape: tuple[int, int] = (128, 128),
    radius: float = 5.0,
    edge_width: float = 0.5,
    dose: float = 100.0,
    n_disks: int = 40,
    background: float = 0.02,
    spread: float = 2.0,
) -> Scene:
    """Render one frame.

    Parameters
    ----------
    dose : float
        Mean electrons per disk.
    background : float
        Background in the middle of the frame, as a part of the plateau of a disk of mean dose; it falls to a
        fifth at the frame's edge.
    spread : float
        Disk intensities are spread evenly in logarithm between ``1 / spread`` and ``spread`` times a middle.
    """
    rng = np.random.default_rng(seed)
    positions = _scatter(rng, frame_shape, radius, edge_width, n_disks)
    intensities = spread ** rng.uniform(-1.0, 1.0, len(positions))
    intensities *= dose / max(intensities.mean(), 1e-9) if len(positions) else 1.0
    level = background * dose / (np.pi * radius**2)
    diffuse = _diffuse(frame_shape) * level
    expected = diffuse.copy()
    probe = ProbeTemplate.disk(radius, edge_width)
    for position, intensity in zip(positions, intensities, strict=True):
        stamp_disk(expected, probe, position, intensity)
    return Scene(
        frame=rng.poisson(expected).astype(np.uint16),
        expected=expected,
        background=diffuse,
        positions=positions,
        intensities=intensities,
    )


def _scatter(
    rng: np.random.Generator, shape: tuple[int, int], radius: float, edge_width: float, n: int
) -> NDArray[np.float64]:
    margin, gap = radius + 3 * edge_width + 1.0, 2 * radius + 4 * edge_width
    placed: list[NDArray[np.float64]] = []
    for _ in range(200 * n):
        if len(placed) == n:
            break
        candidate = rng.uniform([margin, margin], [shape[0] - 1 - margin, shape[1] - 1 - margin])
        if all(np.hypot(*(candidate - other)) > gap for other in placed):
            placed.append(candidate)
    return np.array(placed).reshape(-1, 2)


def _diffuse(shape: tuple[int, int]) -> NDArray[np.float64]:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    q = np.hypot((rows - shape[0] / 2) / shape[0], (cols - shape[1] / 2) / shape[1]) * 2
    return np.asarray(1.0 / (1.0 + 4.0 * q**2))


def stamp_disk(
    image: NDArray[np.float64], probe: ProbeTemplate, position: NDArray[np.float64], intensity: float
) -> None:
    whole = np.floor(position + 0.5).astype(int)
    patch = probe.image((position[0] - whole[0], position[1] - whole[1])) * intensity
    reach = probe.patch_radius
    row, col = whole - reach
    size = 2 * reach + 1
    top, left = max(row, 0), max(col, 0)
    bottom, right = min(row + size, image.shape[0]), min(col + size, image.shape[1])
    image[top:bottom, left:right] += patch[top - row : bottom - row, left - col : right - col]


def cramer_rao(scene: Scene, radius: float, edge_width: float) -> NDArray[np.float64]:
    """Smallest standard deviation of each position along one axis, in pixels.

    From the Fisher information of Poisson counts about the four parameters (row, column, intensity, constant
    background) of each disk in turn, over the patch of its template, all other disks being known.
    """
    probe = ProbeTemplate.disk(radius, edge_width)
    h, reach = 1.0 / 64, probe.patch_radius
    bounds = []
    for position, intensity in zip(scene.positions, scene.intensities, strict=True):
        whole = np.floor(position + 0.5).astype(int)
        r, c = position - whole
        gradients = np.stack(
            [
                intensity * (probe.image((r + h, c)) - probe.image((r - h, c))) / (2 * h),
                intensity * (probe.image((r, c + h)) - probe.image((r, c - h))) / (2 * h),
                probe.image((r, c)),
                np.ones((2 * reach + 1, 2 * reach + 1)),
            ]
        ).reshape(4, -1)
        rows, cols = np.clip(whole[0] + np.arange(-reach, reach + 1), 0, scene.expected.shape[0] - 1), None
        cols = np.clip(whole[1] + np.arange(-reach, reach + 1), 0, scene.expected.shape[1] - 1)
        mean = np.maximum(scene.expected[np.ix_(rows, cols)].ravel(), 1e-9)
        covariance = np.linalg.inv((gradients / mean) @ gradients.T)
        bounds.append(np.sqrt(0.5 * (covariance[0, 0] + covariance[1, 1])))
    return np.array(bounds)


def match(
    found: NDArray[np.float64], truth: NDArray[np.float64], distance: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair found and true positions, nearest first, each used once; returns two arrays of indices."""
    if len(found) == 0 or len(truth) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    gaps = np.hypot(*(found[:, None, :] - truth[None, :, :]).transpose(2, 0, 1))
    pairs: list[tuple[int, int]] = []
    for flat in np.argsort(gaps, axis=None):
        i, j = np.unravel_index(int(flat), gaps.shape)
        if gaps[i, j] > distance:
            break
        if all(i != a and j != b for a, b in pairs):
            pairs.append((int(i), int(j)))
    index = np.array(pairs, np.int64).reshape(-1, 2)
    return index[:, 0], index[:, 1]
