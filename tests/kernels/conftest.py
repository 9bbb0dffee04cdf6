"""Tables and memory for the detection of disks of radius 3 on frames of 40 x 52 pixels."""

from __future__ import annotations

import pytest

from livebragg.detect.plan import build_plan
from livebragg.detect.template import ProbeTemplate
from livebragg.kernels.plan import allocate_scratch

SHAPE = (40, 52)


@pytest.fixture
def probe():
    """A disk of radius 3, blurred by half a pixel."""
    return ProbeTemplate.disk(3.0, 0.5)


@pytest.fixture
def plan(probe):
    """Plan for that probe."""
    return build_plan(probe, SHAPE, false_disks_per_frame=0.1, min_spacing=None, bad_pixels=None)


@pytest.fixture
def scratch(plan):
    """Memory to go with it."""
    return allocate_scratch(plan, 600)
