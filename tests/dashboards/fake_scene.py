"""A synthetic specimen: grains with different lattices, amorphous, polycrystal and vacuum, nothing symmetric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS_PER_PIXEL = 2.0
DISK_RADIUS = 4.0


@dataclass(frozen=True, slots=True)
class SceneClass:
    """One class: its name, family and the places (dqx, dqy, strength) of its disks about the direct beam."""

    name: str
    family: str
    disks: NDArray[np.float64]
    background: float


def _lattice(a: float, b: float, angle: float, reach: float) -> NDArray[np.float64]:
    h, k = np.meshgrid(np.arange(-9, 10), np.arange(-9, 10), indexing="ij")
    t = np.deg2rad([angle, angle + 81])
    qx = h * a * np.cos(t[0]) + k * b * np.cos(t[1])
    qy = h * a * np.sin(t[0]) + k * b * np.sin(t[1])
    q = np.hypot(qx, qy)
    # one side of the Laue circle is stronger: a mirrored picture would show
    strength = 40 * np.exp(-q / 26) * (1 + 0.6 * np.cos(np.arctan2(qy, qx) - 0.7))
    strength[q == 0] = 160
    keep = q < reach
    return np.stack([qx, qy, strength], axis=-1)[keep]


class Scene:
    """Truth of the specimen, and any of its frames.

    Parameters
    ----------
    scan_shape, frame_shape : tuple of int
    n_grains : int
        Crystalline classes; an amorphous and a polycrystalline one are added.
    """

    def __init__(
        self, scan_shape: tuple[int, int] = (36, 52), frame_shape: tuple[int, int] = (96, 128), n_grains: int = 6
    ) -> None:
        self.scan_shape, self.frame_shape = scan_shape, frame_shape
        rng = np.random.default_rng(5)
        self.center = (0.47 * frame_shape[0], 0.53 * frame_shape[1])
        reach = 0.52 * max(frame_shape)
        beam = np.array([[0.0, 0.0, 160.0]])
        ring = np.array([[20 * np.cos(t), 20 * np.sin(t), 6 + 4 * np.sin(9 * t)] for t in np.arange(0, 6.2, 0.37)])
        self.classes = [
            SceneClass(f"Crystal {i}", "crystal",
                       _lattice(15 + 2.3 * i, 18 + 1.4 * ((3 * i) % 5), 23 * i + 8, reach), 1.2)
            for i in range(n_grains)
        ] + [
            SceneClass(f"Amorphous {n_grains}", "amorphous", beam, 3.0),
            SceneClass(f"Polycrystal {n_grains + 1}", "polycrystal", np.concatenate([beam, ring]), 1.6),
        ]  # fmt: skip
        self.labels, self.confidence = self._grains(rng, n_grains)
        self.n_disks = np.array([len(c.disks) - 1 for c in self.classes])

    def _grains(self, rng: Any, n_grains: int) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        rows, cols = self.scan_shape
        r, c = np.mgrid[:rows, :cols]
        u, v = (r + 0.5) / rows, (c + 0.5) / cols
        seeds = rng.random((3 * n_grains, 2))
        wobble = 0.03 * np.sin(9 * u + 4 * v)
        d = np.sort(
            [np.hypot(u - s[0] + wobble, 1.3 * (v - s[1])) + 1j * (i % n_grains) for i, s in enumerate(seeds)],
            axis=0,
        )
        labels = d[0].imag.astype(np.int16)
        confidence = np.clip(0.35 + 9 * (d[1].real - d[0].real), 0, 1)
        edge = np.hypot((u - 0.46) / 0.44, (v - 0.52) / 0.46) + 0.05 * np.sin(7 * np.arctan2(u - 0.5, v - 0.5))
        labels[(edge > 0.86)] = n_grains + 1
        labels[(edge > 1.0)] = n_grains
        labels[(edge > 0.97) & (edge < 1.0) & (u < 0.4)] = -1
        confidence = np.where(labels >= n_grains, 0.95, confidence)
        return labels, np.where(labels < 0, 0, confidence).astype(np.float32)

    def mean_frame(self, class_id: int) -> NDArray[np.float32]:
        """Expected counts of a class; -1 is vacuum-like."""
        kind = self.classes[class_id if class_id >= 0 else len(self.classes) - 2]
        r, c = np.mgrid[: self.frame_shape[0], : self.frame_shape[1]]
        q = np.hypot(r - self.center[0], c - self.center[1])
        image = kind.background * (
            6 * np.exp(-q / 12) + (kind.family != "crystal") * np.exp(-(((q - 20) / 6) ** 2))
        )
        for qx, qy, strength in kind.disks:
            distance = np.hypot(r - self.center[0] - qx, c - self.center[1] - qy)
            image += strength / (1 + np.exp(np.clip((distance - DISK_RADIUS) / 0.5, -30, 30)))
        return image.astype(np.float32)

    def profiles(self, patterns: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Middles of the bins, and mean and variance of each pattern over each ring of one pixel."""
        r, c = np.mgrid[: self.frame_shape[0], : self.frame_shape[1]]
        ring = np.hypot(r - self.center[0], c - self.center[1]).astype(int)
        pixels = np.bincount(ring.ravel())
        mean, square = (
            np.stack([np.bincount(ring.ravel(), (p.astype(float) ** k).ravel()) / pixels for p in patterns])
            for k in (1, 2)
        )
        radii = np.arange(len(pixels), dtype=np.float32) + 0.5
        return radii, np.stack([mean, square - mean**2], axis=1).astype(np.float32)

    def frame(self, scan_index: int) -> NDArray[np.float32]:
        """Counts of one position; the same each time."""
        mean = self.mean_frame(int(self.labels.reshape(-1)[scan_index]))
        return np.random.default_rng(scan_index).poisson(mean).astype(np.float32)

    def disks(self, scan_index: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """``qx``, ``qy`` in detector pixels and intensity of the disks inside of the frame."""
        kind = self.classes[int(self.labels.reshape(-1)[scan_index])]
        jitter = np.random.default_rng(scan_index).normal(0, 0.1, (len(kind.disks), 2))
        qx, qy = kind.disks[:, 0] + self.center[0] + jitter[:, 0], kind.disks[:, 1] + self.center[1] + jitter[:, 1]
        inside = (qx > 0) & (qy > 0) & (qx < self.frame_shape[0] - 1) & (qy < self.frame_shape[1] - 1)
        columns = qx[inside], qy[inside], kind.disks[inside, 2]
        return columns[0].astype(np.float32), columns[1].astype(np.float32), columns[2].astype(np.float32)

    def vector_map(self, counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Bragg vector map of ``counts`` positions of each class."""
        shape = tuple(int(2 * np.ceil(n * BINS_PER_PIXEL * 0.56) + 1) for n in self.frame_shape)
        image = np.zeros(shape, np.float64)
        r, c = np.mgrid[:9, :9] - 4
        spot = np.exp(-(r**2 + c**2) / 3.0)
        for kind, n in zip(self.classes, counts, strict=True):
            for qx, qy, strength in kind.disks:
                row, col = round(qx * BINS_PER_PIXEL) + shape[0] // 2, round(qy * BINS_PER_PIXEL) + shape[1] // 2
                if 4 <= row < shape[0] - 4 and 4 <= col < shape[1] - 4:
                    image[row - 4 : row + 5, col - 4 : col + 5] += n * min(1.0, strength / 12) * spot
        return np.random.default_rng(1).poisson(image / 8).astype(np.float32)

    def images(self) -> dict[str, NDArray[np.float32]]:
        """Real-space images of the finished scan."""
        rng, labels = np.random.default_rng(2), self.labels
        rows, cols = self.scan_shape
        ramp = np.linspace(0, 1, rows)[:, None] + 0.2 * np.linspace(0, 1, cols)[None]
        disks = np.append(self.n_disks, 0)[labels].astype(float)
        thick = np.where(labels == len(self.classes) - 2, 0.3, 1.0)
        noisy = {
            "bright_field": 8000 * (1.3 - 0.4 * thick - 0.01 * disks),
            "annular_dark_field": 900 * (0.2 + thick + 0.02 * disks),
            "total": 12000 * (1 + 0.1 * thick),
            "com_qx": self.center[0] + 0.6 * ramp + 0.05 * disks / 10,
            "com_qy": self.center[1] - 0.8 * ramp + 0.3 * np.cos(labels),
            "n_disks": disks,
            "bragg_intensity": 30 * disks * (1 + 0.1 * np.cos(labels)),
        }
        return {
            name: (v + rng.normal(0, 0.02 * np.std(v) + 1e-6, v.shape)).astype(np.float32)
            for name, v in noisy.items()
        }
