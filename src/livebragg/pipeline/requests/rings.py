"""Virtual detectors of any radii, from what the analyst keeps of every position."""

from __future__ import annotations

import math

from livebragg.accumulate import ring_pixels
from livebragg.pipeline.scan.run import ScanRun
from livebragg.wire.messages import Refused, VirtualImageReply, VirtualImageRequest


def answer_ring(request: VirtualImageRequest, run: ScanRun) -> VirtualImageReply | Refused:
    """Reply to a request for the image of a ring."""
    inner, outer = request.inner, request.outer
    if not (0 <= inner < outer < math.inf):  # False for NaN
        return Refused(
            reason=f"a ring from {inner} to {outer} px cannot be: the inner radius must be 0 or more, and the "
            "outer one larger and finite"
        )
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
