"""The virtual detector of one page: light of a tracked peak, an aperture anywhere, or a ring about the beam."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from livebragg.wire.messages import DarkFieldRequest, VectorMap, VirtualImageRequest
from livebragg_dashboards.asking.inquiries import Question
from livebragg_dashboards.words import lattice_spacing, number, q_length

SLOT = "detector"
FARTHEST = 1e5
"""In detector pixels: no detector is larger."""


@dataclass(frozen=True, slots=True)
class PeakLight:
    """Light at a tracked peak, measured in the frames."""

    peak_id: int
    qx: float
    """Where it was when it was chosen, in detector pixels from the beam."""
    qy: float

    def question(self, serial: int) -> Question:
        """What to ask for."""
        request = DarkFieldRequest(serial=serial, peak_id=self.peak_id)
        return Question(SLOT, (serial, "peak", self.peak_id), request)

    def title(self, size: float | None) -> str:
        """Its name with the lattice spacing."""
        return f"Dark field · peak {self.peak_id} · {_place(self.qx, self.qy, size)}"


@dataclass(frozen=True, slots=True)
class Aperture:
    """Disks within a radius of a place, all in detector pixels from the beam."""

    qx: float
    qy: float
    radius: float

    def question(self, serial: int) -> Question:
        """What to ask for."""
        request = DarkFieldRequest(serial=serial, qx=self.qx, qy=self.qy, radius=self.radius)
        return Question(SLOT, (serial, self), request)

    def title(self, size: float | None) -> str:
        """Its place and radius."""
        return f"Dark field · {_place(self.qx, self.qy, size)} · radius {q_length(self.radius, size)}"


@dataclass(frozen=True, slots=True)
class Ring:
    """An annulus about the beam of each position, in detector pixels."""

    inner: float
    outer: float

    def question(self, serial: int) -> Question:
        """What to ask for."""
        request = VirtualImageRequest(serial=serial, inner=self.inner, outer=self.outer)
        return Question(SLOT, (serial, self), request)

    def title(self, size: float | None) -> str:
        """Its radii."""
        return f"Ring {number(self.inner * (size or 1.0))} to {q_length(self.outer, size)}"


Detector = PeakLight | Aperture | Ring


def ring(inner: float, outer: float) -> Ring:
    """A ring that can be, from what was dragged.

    Raises
    ------
    ValueError
        A radius is not finite, or the ring is impossible.
    """
    if not (0 <= inner < FARTHEST and 0 < outer < FARTHEST):  # False for NaN
        raise ValueError("a ring has finite radii")
    inner, outer = sorted((inner, outer))
    return Ring(inner, max(outer, inner + 0.5))


def aperture(qx: float, qy: float, radius: float) -> Aperture:
    """An aperture that can be.

    Raises
    ------
    ValueError
        A number is not finite, or too large.
    """
    if not (abs(qx) < FARTHEST and abs(qy) < FARTHEST and 0 < radius < FARTHEST):
        raise ValueError("an aperture is somewhere and has a size")
    return Aperture(qx, qy, max(radius, 0.5))


def peak_near(message: VectorMap, qx: float, qy: float, reach: float) -> PeakLight | None:
    """The tracked peak next to a place, in detector pixels, if it is within reach."""
    if message.peak_ids.size == 0 or not all(map(math.isfinite, (qx, qy, reach))):
        return None
    distance = np.hypot(message.peak_qx.astype(np.float64) - qx, message.peak_qy.astype(np.float64) - qy)
    distance = np.where(np.isfinite(distance), distance, np.inf)
    nearest = int(np.argmin(distance))
    if distance[nearest] > reach:
        return None
    at = float(message.peak_qx[nearest]), float(message.peak_qy[nearest])
    return PeakLight(int(message.peak_ids[nearest]), *at)


def _place(qx: float, qy: float, size: float | None) -> str:
    q = math.hypot(qx, qy)
    return lattice_spacing(q, size) or f"q {q_length(q, size)}"
