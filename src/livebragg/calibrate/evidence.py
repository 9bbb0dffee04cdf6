"""What several pieces of evidence say together about the ellipse that the lenses make of every ring.

To first order a distortion turns a ring of radius ``R`` into ``r(phi) = R (1 + e1 cos 2 phi + e2 sin 2 phi)``.
Crystals and halos show it, each with errors of its own. Where they agree, they are averaged by these; where they
do not, one of them is no picture of the lens, and nobody can tell which.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import CalibrationError
from livebragg.model import EllipseEstimate

LARGEST = 0.12
"""Largest ``e`` that is looked for: axes that differ by a fourth."""
_WORST_ERROR = 0.004
"""An estimate with a larger standard error of ``e`` says nothing a user could want to correct."""
_USELESS = 0.02
"""The same for evidence beside other evidence."""
_APART = 13.8
"""Chi squared of two degrees of freedom that chance exceeds once in a thousand times."""
_REMEDY = "give one (analysis.calibration.ellipse_ratio)"


def combined(estimates: list[EllipseEstimate]) -> EllipseEstimate:
    """Mean of several ellipses, weighted by their errors; if they scatter more than these, so much larger is its
    own error."""
    if len(estimates) == 1:
        return estimates[0]
    weights = np.stack([np.linalg.inv(estimate.covariance) for estimate in estimates])
    values = np.array([(estimate.e1, estimate.e2) for estimate in estimates])
    covariance = np.linalg.inv(weights.sum(axis=0))
    mean = covariance @ np.einsum("nij,nj->i", weights, values)
    rest = values - mean
    scatter = float(np.einsum("ni,nij,nj->", rest, weights, rest)) / (2 * (len(estimates) - 1))
    return EllipseEstimate.of(
        mean,
        max(scatter, 1.0) * covariance,
        " and ".join(dict.fromkeys(estimate.source for estimate in estimates)),
        residual=float(np.mean([e.residual for e in estimates if e.source == estimates[0].source])),
        n_used=sum(estimate.n_used for estimate in estimates),
    )


def agreed(rings: EllipseEstimate | None, halo: EllipseEstimate | None) -> EllipseEstimate:
    """What crystals and halos say together, either of them being there.

    Crystals that are certain enough are believed alone beside a halo that is not: the error of such a halo is not
    to be trusted, scattering without flanks shows too small a one.

    Raises
    ------
    CalibrationError
        They contradict each other, or leave the ellipse open.
    """
    if rings is not None and halo is not None and rings.error <= _WORST_ERROR < halo.error:
        return _judged(rings, _WORST_ERROR)
    if rings is not None and halo is not None:
        away = np.array([rings.e1 - halo.e1, rings.e2 - halo.e2])
        chi = float(away @ np.linalg.solve(rings.covariance + halo.covariance, away))
        if chi > _APART:
            raise CalibrationError(
                f"crystals and halo contradict each other by {math.sqrt(chi):.0f} standard errors: "
                f"{_words(rings)}, {_words(halo)}; {_REMEDY}"
            )
    return _judged(combined([estimate for estimate in (rings, halo) if estimate is not None]), _WORST_ERROR)


def usable(estimate: EllipseEstimate) -> EllipseEstimate:
    """The estimate itself.

    Raises
    ------
    CalibrationError
        It is too uncertain to be of use even beside others.
    """
    return _judged(estimate, _USELESS)


def polar(place: NDArray[np.float64], e: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Radius and angle of places, shape (n, 2), once the ellipse is taken back."""
    corrected = place @ EllipseEstimate(e1=e[0], e2=e[1], error=0.0, source="").matrix.T
    return np.hypot(*corrected.T), np.arctan2(corrected[:, 1], corrected[:, 0])


def directions(q: NDArray[np.float64]) -> NDArray[np.int64]:
    """A number for the direction of each place, shape (n, 2), the same for opposite ones."""
    return np.rint(np.mod(np.arctan2(q[:, 1], q[:, 0]), np.pi) / np.pi * 90).astype(np.int64) % 90


def _judged(estimate: EllipseEstimate, worst: float) -> EllipseEstimate:
    size = math.hypot(estimate.e1, estimate.e2)
    if not estimate.error <= worst or not size <= LARGEST:
        raise CalibrationError(
            f"{estimate.source}: the ellipse stays open, {size:.3f} with a standard error of {estimate.error:.3f} "
            f"(at most {LARGEST} with {worst} is believed); {_REMEDY}"
        )
    return estimate


def _words(estimate: EllipseEstimate) -> str:
    return f"{estimate.source} a ratio of {estimate.ratio:.3f} at {estimate.angle_deg:.0f} degrees"
