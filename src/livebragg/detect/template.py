"""The picture of one probe that frames are compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from livebragg.detect.disk import PIXEL_WIDTH, disk_image, disk_profile, recorded_disk
from livebragg.detect.picture import Picture
from livebragg.detect.surface import picture_of_image
from livebragg.detect.vacuum_image import TAIL
from livebragg.errors import ProbeError
from livebragg.kernels.fit import PHASES
from livebragg.model import ProbeShape

__all__ = ["ProbeTemplate", "disk_profile"]

_DERIVATIVE_STEP = 1.0 / 64
"""Step of the central difference that gives a disk's derivatives, in pixels."""

_GAUSSIAN_REACH = 4.5
"""Standard deviations out to which a Gaussian spot is tabulated: it has fallen to 4e-5 there."""


@dataclass(frozen=True, slots=True)
class ProbeTemplate:
    """One probe, as the detector sees it: a blurred disk, or a picture of any shape.

    Use `disk`, `gaussian`, `from_shape`, `from_image` or `measure_vacuum_probe` to make one. The reference point,
    whose place on a frame is the position of a peak, is the probe's centre of mass.

    Parameters
    ----------
    radius : float
        Radius at half height, in pixels. Of a picture: that of the blurred disk with the same second moment
        and the same steepest slope, so that it says how far the light extends, also with dark rings inside.
    edge_width : float
        Standard deviation of the blur that turns an ideal disk into this one, in pixels, as recorded: the
        pixel's own width is part of it. With a radius below the edge width the "disk" is a Gaussian spot.
    picture : Picture, optional
        What the probe looks like when it is no disk.

    Examples
    --------
    >>> probe = ProbeTemplate.disk(radius=5.0, edge_width=0.5)
    >>> probe.patch_radius, probe.structured
    (7, False)
    >>> bool(abs(probe.image((0.25, -0.5)).sum() - 1.0) < 0.01)
    True
    """

    radius: float
    edge_width: float
    picture: Picture | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.radius < 1000 or not 0 <= self.edge_width < 1000:
            raise ProbeError(
                f"a probe needs a radius above 0 and an edge width of 0 or more pixels (both below 1000), not "
                f"{self.radius} and {self.edge_width}; set probe.radius and probe.edge_width"
            )

    @classmethod
    def disk(cls, radius: float, edge_width: float) -> ProbeTemplate:
        """Uniform disk of a radius and edge width in pixels."""
        return cls(float(radius), float(edge_width))

    @classmethod
    def gaussian(cls, sigma: float) -> ProbeTemplate:
        """Gaussian spot of a standard deviation in pixels, before the pixels integrate it.

        Raises
        ------
        ProbeError
            `sigma` is below 0.1, where no position within the pixel can be told, or above 100.

        Examples
        --------
        >>> spot = ProbeTemplate.gaussian(0.6)
        >>> spot.patch_radius, round(float(spot.image().max()), 2)
        (3, 0.35)
        """
        if not 0.1 <= sigma <= 100:
            raise ProbeError(f"a Gaussian spot needs a sigma between 0.1 and 100 pixels, not {sigma}")
        return cls.of_picture(_gaussian(float(sigma)))

    @classmethod
    def from_shape(cls, shape: ProbeShape) -> ProbeTemplate:
        """Template of a measured or configured probe."""
        return cls.disk(shape.radius, shape.edge_width)

    @classmethod
    def from_image(cls, image: NDArray[np.generic]) -> ProbeTemplate:
        """Template from the image of a vacuum probe of any shape.

        Parameters
        ----------
        image : NDArray, shape (rows, cols)
            One whole probe anywhere in it, brighter than its surroundings, of any real dtype; not changed.
            What is sharper than a pixel is not in one image: `measure_vacuum_probe` gets more out of many frames.

        Raises
        ------
        ProbeError
            NaN, too negative, no contrast, or a probe that is cut off at the border.

        Examples
        --------
        >>> rows, cols = np.indices((32, 32))
        >>> r = np.hypot(rows - 15, cols - 16)
        >>> bullseye = ProbeTemplate.from_image(100.0 * ((r < 3) | (r > 5) & (r < 8)))
        >>> bullseye.structured, bullseye.patch_radius
        (True, 12)
        """
        return cls.of_picture(picture_of_image(image))

    @classmethod
    def of_picture(cls, picture: Picture) -> ProbeTemplate:
        """Template of a surface, with the radius and edge width of its equivalent disk."""
        return cls(*picture.equivalent_disk(), picture)

    @property
    def structured(self) -> bool:
        """Whether a tenth of its light is elsewhere than in a blurred disk: then its inner structure counts."""
        return self.picture is not None and self.picture.is_structured()

    @property
    def patch_radius(self) -> int:
        """Half the size of the square patch the probe fits into at any sub-pixel phase, in whole pixels."""
        if self.picture is not None:
            return max(self.picture.reach(TAIL), 2)
        r = np.arange(1.0, self.radius + 6.0 * max(self.edge_width, PIXEL_WIDTH) + 3.0, 0.25)
        profile = disk_profile(r, self.radius, self.edge_width)
        centre = disk_profile(np.zeros(1), self.radius, self.edge_width)[0]
        return max(int(np.ceil(r[profile > TAIL * centre].max(initial=1.0))), 2)

    def image(self, shift: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
        """Probe of unit sum (a blur keeps the area), its centre `shift` (rows, columns) off the patch's middle."""
        if self.picture is not None:
            return self.picture.sample(shift, self.patch_radius)
        return disk_image(self.radius, self.edge_width, self.patch_radius, shift)

    def phases(self) -> NDArray[np.float32]:
        """Template and derivatives at every sub-pixel phase.

        Returns
        -------
        NDArray[np.float32], shape (PHASES, PHASES, 3, n, n)
            ``[i, j, 0]`` is the probe moved by ``(i, j) / PHASES`` pixels, ``[i, j, 1:]`` its derivatives along
            the rows and columns of its centre.
        """
        return _phases(self)


@lru_cache(maxsize=4)
def _phases(probe: ProbeTemplate) -> NDArray[np.float32]:
    n = 2 * probe.patch_radius + 1
    table = np.empty((PHASES, PHASES, 3, n, n), np.float32)
    (_phases_of_disk if probe.picture is None else _phases_of_picture)(probe, table)
    table.setflags(write=False)
    return table


def _phases_of_picture(probe: ProbeTemplate, out_table: NDArray[np.float32]) -> None:
    assert probe.picture is not None
    reach = probe.patch_radius
    for i, j in np.ndindex(PHASES, PHASES):
        shift = (i / PHASES, j / PHASES)
        out_table[i, j, 0] = probe.image(shift)
        for at, along in enumerate(((1, 0), (0, 1)), 1):
            out_table[i, j, at] = probe.picture.sample(shift, reach, along)


def _phases_of_disk(probe: ProbeTemplate, out_table: NDArray[np.float32]) -> None:
    reach, h = probe.patch_radius, _DERIVATIVE_STEP
    axis, phases = np.arange(-reach, reach + 1), np.arange(PHASES) / PHASES

    def moved(row: float, col: float) -> NDArray[np.float64]:
        """Images at all phases, each moved a little further."""
        rows, cols = ((axis - (phases[:, None] + by)).ravel() for by in (row, col))
        images = recorded_disk(probe.radius, probe.edge_width, rows, cols)
        return images.reshape(PHASES, axis.size, PHASES, axis.size).swapaxes(1, 2)

    out_table[:, :, 0] = moved(0.0, 0.0)
    out_table[:, :, 1] = (moved(h, 0.0) - moved(-h, 0.0)) / (2 * h)
    out_table[:, :, 2] = (moved(0.0, h) - moved(0.0, -h)) / (2 * h)


@lru_cache(maxsize=16)
def _gaussian(sigma: float) -> Picture:
    """A Gaussian integrated over the pixels is a product of differences of error functions."""
    recorded = math.hypot(sigma, PIXEL_WIDTH)
    step = math.ceil(max(6.0 / recorded, 1.0))
    reach = math.ceil((_GAUSSIAN_REACH * recorded + 1.0) * step)
    x = np.arange(-reach, reach + 1) / step
    line = ndtr((x + 0.5) / sigma) - ndtr((x - 0.5) / sigma)
    return Picture.of_values(np.outer(line, line), step)
