"""Size, edge and place of the probe on the detector: plain numbers that travel between the parts."""

from __future__ import annotations

from dataclasses import dataclass

from livebragg.errors import ProbeError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeShape:
    """The direct beam's disk.

    Parameters
    ----------
    radius : float
        Radius at half height, in pixels.
    edge_width : float
        Width of the edge in pixels: standard deviation of the blur that turns an ideal disk into this one.
    center : tuple of float
        ``(qx, qy)`` of the undiffracted beam, in pixels.
    """

    radius: float
    edge_width: float
    center: tuple[float, float]

    def __post_init__(self) -> None:
        if not self.radius > 0 or not self.edge_width >= 0:
            raise ProbeError(
                f"a probe needs a radius > 0 and an edge width >= 0 pixels, not {self.radius} and "
                f"{self.edge_width}"
            )
