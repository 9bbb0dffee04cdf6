"""Disks of crystals, of tiny crystals and speckle: the compiled sums against plain NumPy."""

from __future__ import annotations

import numpy as np

from livebragg.kernels.scattered_disks import sort_disks

RINGS = 6


def plain(q, part, column, smooth, radii, contrast, area, least, electrons):
    """What one position scatters into disks; `q` is relative to the origin."""
    radius = np.hypot(*q.T)
    far = radius > 3.0
    q, part, column, radius = q[far], part[far], column[far], radius[far]
    below = smooth[np.abs(radii[None] - radius[:, None]).argmin(axis=1)] * area + 1 / electrons
    bright, tracked = part > contrast * below, column >= 0
    other, known = int((bright & ~tracked).sum()), int(tracked.sum())
    granular = other >= least and other > known
    loose = bright & (~tracked | granular)
    ring = ((radius - radii[0]) / ((radii[-1] - radii[0]) / RINGS)).clip(0, RINGS - 1).astype(int)
    angle = 2 * np.arctan2(q[:, 1], q[:, 0])
    along = np.hypot((part * np.cos(angle))[loose].sum(), (part * np.sin(angle))[loose].sum())
    rings = np.append(np.bincount(ring[loose], part[loose], RINGS), along)
    return [part[tracked & (not granular)].sum(), part[loose].sum()], granular, rings


def test_sums_are_those_of_plain_numpy():
    rng = np.random.default_rng(0)
    n, bins, electrons = 40, 9, 1000.0
    count = rng.integers(0, 14, n).astype(np.int32)
    start = (np.cumsum(count) - count).astype(np.int64)
    total = int(count.sum())
    qx, qy = rng.uniform(0, 60, (2, total)).astype(np.float32)
    intensity = rng.exponential(30, total).astype(np.float32)
    column = rng.integers(-2, 2, total).astype(np.int32)
    origin = np.full((n, 2), 30, np.float32)
    origin[7] = np.nan
    smooth = rng.uniform(0, 2e-4, (n, bins)).astype(np.float32)
    radii = np.linspace(5, 29, bins)
    part, granular = np.ones((n, 2), np.float32), np.zeros(n, np.bool_)
    rings = np.ones((n, RINGS + 1), np.float32)
    everything, beams = np.arange(n), np.full(n, electrons, np.float32)
    sort_disks(
        qx, qy, intensity, column, everything, start, count, origin, beams, smooth, radii, 3.0, 6.0, 12.0, 4,
        part, granular, rings,
    )  # fmt: skip
    for i in range(n):
        mine = slice(start[i], start[i] + count[i])
        q = np.stack([qx[mine], qy[mine]], axis=1) - origin[i]
        light = intensity[mine] / electrons
        expected = plain(q, light, column[mine], smooth[i], radii, 6.0, 12.0, 4, electrons)
        np.testing.assert_allclose(part[i], expected[0], rtol=1e-4, atol=1e-6)
        assert granular[i] == expected[1]
        np.testing.assert_allclose(rings[i], expected[2], rtol=1e-4, atol=1e-6)
    assert granular.any() and not granular.all() and not part[7].any()
