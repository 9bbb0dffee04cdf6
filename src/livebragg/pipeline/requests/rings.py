"""Virtual detectors of any radii, from what the analyst keeps of every position."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livebragg.accumulate import ring_pixels
from livebragg.model import ProbeShape
from livebragg.wire.messages import AcquisitionOpened, Refused, VirtualImageReply, VirtualImageRequest


class RingAnalysis(Protocol):
    """What is asked about profiles and disks; see `livebragg.pipeline.scan.state.ScanState`."""

    @property
    def profile_radii(self) -> NDArray[np.float32]: ...
    def ring_image(
        self, pixels: NDArray[np.float64], inner: float, outer: float, disk_radius: float
    ) -> NDArray[np.float32]: ...


class Ringed(Protocol):
    """A scan that can be asked: the one under way, or one in a results file."""

    @property
    def opened(self) -> AcquisitionOpened: ...
    @property
    def analysis(self) -> RingAnalysis: ...
    @property
    def probe(self) -> ProbeShape | None: ...
    @property
    def usable_pixels(self) -> NDArray[np.bool_]: ...


def answer_ring(request: VirtualImageRequest, run: Ringed) -> VirtualImageReply | Refused:
    """Reply to a request for the image of a ring."""
    inner, outer = request.inner, request.outer
    if not (0 <= inner < outer < math.inf):  # False for NaN
        return Refused(
            reason=f"a ring from {inner} to {outer} px cannot be: the inner radius must be 0 or more, and the "
            "outer one larger and finite"
        )
    if run.probe is None:
        return Refused(reason="a scan that was not finished does not say where the beam is: no ring lies about it")
    radii = run.analysis.profile_radii
    if radii.size == 0:
        return Refused(
            reason="a virtual detector of other radii needs radial profiles: they are not measured (profile.bins "
            "is 0), or nothing was scanned yet"
        )
    pixels = ring_pixels(run.usable_pixels, run.probe.center, radii, inner, outer)
    if not pixels.any():
        return Refused(reason=f"no pixel of the detector lies between {inner:g} and {outer:g} px of the beam")
    image = run.analysis.ring_image(pixels, inner, outer, run.probe.radius)
    return VirtualImageReply(serial=run.opened.serial, image=image)
