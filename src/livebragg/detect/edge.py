"""Radius and edge width from a radial profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from livebragg.config.detection import ProbeConfig
from livebragg.detect.profile import RadialProfile
from livebragg.detect.template import ProbeTemplate, disk_profile

_STRUCTURE = 0.05
"""Standard deviation of what a profile may differ by from a blurred disk on a slope, relative to its height:
inner structure, saturation and halos must not pull the edge as if they were Poisson noise."""


def fit_edge(profile: RadialProfile, start: ProbeTemplate, known: ProbeConfig) -> tuple[float, float]:
    """Fit a blurred disk on a sloping background.

    Parameters
    ----------
    profile : RadialProfile
    start : ProbeTemplate
        First guess of radius and edge width.
    known : ProbeConfig
        Radius or edge width that are not to be fitted.

    Returns
    -------
    radius, edge_width : float
        In pixels.
    """
    r, mean, error = profile.points()
    near = r < 1.5 * start.radius + 4.0 * start.edge_width + 2.0
    r, mean, error = r[near], mean[near], error[near]
    background, height = float(mean[-1]), max(float(mean.max() - mean[-1]), 1e-6)
    sigma = np.hypot(error, _STRUCTURE * height)

    def model(p: NDArray[np.float64]) -> NDArray[np.float64]:
        radius, width = _known_or(p[0], known.radius), _known_or(p[1], known.edge_width)
        slope = np.minimum(r - radius, 3.0 * width + 1.0) * p[4]
        return np.asarray(p[2] * disk_profile(r, radius, width) + p[3] - slope)

    fit = least_squares(
        lambda p: (model(p) - mean) / sigma,
        [start.radius, max(start.edge_width, 0.3), height, max(background, 0.0), 0.0],
        bounds=(
            [0.3, 0.2, 0.0, -np.inf, 0.0],
            [3.0 * start.radius + 2, start.radius + 3.0, np.inf, np.inf, np.inf],
        ),
        x_scale=[1.0, 0.3, height, height, height],
        loss="soft_l1",
    )
    return _known_or(float(fit.x[0]), known.radius), _known_or(float(fit.x[1]), known.edge_width)


def _known_or(fitted: float, known: float | None) -> float:
    return float(fitted) if known is None else known
