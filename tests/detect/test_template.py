"""The picture of one disk."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from livebragg.detect.template import ProbeTemplate, disk_profile
from livebragg.errors import ProbeError
from livebragg.kernels.fit import PHASES
from livebragg.model import ProbeShape


@pytest.mark.parametrize(("radius", "edge"), [(5.0, 0.5), (1.0, 1.0), (8.0, 0.35), (3.0, 2.0)])
def test_the_profile_is_a_disk_convolved_with_a_gaussian(radius, edge):
    oversampling, size = 20, 24
    axis = (np.arange(2 * size * oversampling + 1) / oversampling) - size
    sharp = (np.hypot(axis[:, None], axis[None, :]) <= radius).astype(float)
    blurred = ndimage.gaussian_filter(sharp, edge * oversampling)
    row = blurred[size * oversampling, size * oversampling :]
    np.testing.assert_allclose(disk_profile(axis[size * oversampling :], radius, edge), row, atol=0.02)


@pytest.mark.parametrize(("radius", "edge"), [(1.2, 0.6), (2.0, 0.4), (5.0, 0.5), (30.0, 0.8)])
def test_every_phase_sums_to_one_and_its_derivatives_to_zero(radius, edge):
    sums = ProbeTemplate.disk(radius, edge).phases().sum(axis=(3, 4))
    np.testing.assert_allclose(sums[:, :, 0], 1.0, atol=0.015)
    np.testing.assert_allclose(sums[:, :, 1:], 0.0, atol=0.05)


def test_derivatives_move_the_disk_the_right_way():
    probe = ProbeTemplate.disk(4.0, 0.7)
    table = probe.phases()
    moved = table[2, 3, 0] + table[2, 3, 1] * 0.05 + table[2, 3, 2] * -0.03
    np.testing.assert_allclose(moved, probe.image((2 / PHASES + 0.05, 3 / PHASES - 0.03)), atol=3e-4)


def test_a_large_disk_continues_a_small_one():
    r = np.linspace(0, 30, 301)
    np.testing.assert_allclose(disk_profile(r, 19.9, 1.0), disk_profile(r + 0.2, 20.1, 1.0), atol=2e-3)


def test_a_template_comes_from_a_probe_shape():
    shape = ProbeShape(radius=3.3, edge_width=0.4, center=(10.0, 10.0))
    assert ProbeTemplate.from_shape(shape) == ProbeTemplate.disk(3.3, 0.4)


@pytest.mark.parametrize(
    ("radius", "edge"), [(0, 0.5), (-1, 0.5), (np.nan, 0.5), (3, -0.1), (3, np.nan), (1e9, 1)]
)
def test_impossible_probes_are_refused_with_the_remedy(radius, edge):
    with pytest.raises(ProbeError, match=r"set probe\.radius"):
        ProbeTemplate.disk(radius, edge)
