"""The frame source: a specimen that is scanned."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ConfigError
from livebragg.model import Acquisition, ScanMetadata
from livebragg_simulators.specimen import truth
from livebragg_simulators.specimen.canvas import make_canvas
from livebragg_simulators.specimen.config import SpecimenConfig
from livebragg_simulators.specimen.disks import make_disk_shapes
from livebragg_simulators.specimen.electrons import ElectronSource
from livebragg_simulators.specimen.layout import Layout, make_layout
from livebragg_simulators.specimen.render import Renderer
from livebragg_simulators.specimen.scatter import Scatterer

BLOCK = 16
"""Positions whose noise is drawn together; a block is the same whoever asks for whichever part of it."""

_HOT_LEVEL = 200.0

_CROWDED = 4.0
"""Electrons per pixel above which noise for every pixel costs less than a place for every electron."""

Progress = Callable[[int, int], None]
"""Called with the positions done and the positions in all."""


class Specimen:
    """A synthetic specimen that gives its frames, in any order, and the truth about itself.

    Parameters
    ----------
    config : SpecimenConfig
        What to simulate.

    Notes
    -----
    A frame depends on the configuration and its position alone, not on what was asked before. Frames come from
    `electrons.ElectronSource` (fast; see there what repeats) or, with ``exact=True``, from independent Poisson
    noise in every pixel of the expected frame; the latter always where electrons outnumber pixels by far.

    Examples
    --------
    >>> specimen = Specimen(SpecimenConfig(scan_shape=(4, 6), frame_shape=(64, 48), probe_radius=3.0))
    >>> frames = specimen.frames(6, 12)
    >>> frames.shape, frames.dtype
    ((6, 64, 48), dtype('uint16'))
    """

    def __init__(self, config: SpecimenConfig) -> None:
        self.config = config
        self.layout: Layout = make_layout(config)
        self.scatterer = Scatterer(config, self.layout)
        self._shapes = make_disk_shapes(config, self.scatterer.distortion)
        self._canvas = make_canvas(self.scatterer)
        self._cache: NDArray[Any] | None = None
        self._cache_is_exact = False
        self._last: tuple[int, bool, NDArray[Any]] | None = None
        self.hot_pixels, self.dead_pixels = _defects(config)

    def acquisition(self, acquisition_id: str) -> Acquisition:
        """Announcement of a scan of this specimen."""
        config = self.config
        return Acquisition(
            acquisition_id=acquisition_id,
            scan_shape=config.scan_shape,
            frame_shape=config.frame_shape,
            dtype=config.dtype,
            metadata=ScanMetadata(
                beam_energy_kev=config.beam_energy_kev,
                camera_length_mm=config.camera_length_mm,
                convergence_angle_mrad=config.convergence_angle_mrad,
                q_pixel_size_inv_angstrom=config.q_pixel_size_inv_angstrom,
                scan_step_nm=config.scan_step_nm,
                dwell_time_s=config.dwell_time_s,
                detector_name="livebragg simulator",
                sample_name="synthetic specimen",
            ),
        )

    def frames(self, start: int, stop: int, *, exact: bool = False) -> NDArray[Any]:
        """Frames of the scan positions ``start`` to ``stop - 1`` (flat, row-major).

        Parameters
        ----------
        start, stop : int
            First position, and the one after the last.
        exact : bool
            Independent Poisson noise in every pixel, slower.

        Returns
        -------
        NDArray, shape (stop - start, frame_rows, frame_cols)
            Counts, in the configured dtype.

        Raises
        ------
        ConfigError
            If the range is not inside the scan.
        """
        if not 0 <= start <= stop <= self.config.n_positions:
            raise ConfigError(
                f"frames {start} to {stop} are not all in a scan of {self.config.n_positions} positions"
            )
        if self._cache is not None and self._cache_is_exact == exact:
            return self._cache[start:stop]
        frames = np.empty((stop - start, *self.config.frame_shape), self.config.dtype)
        for block in range(start // BLOCK, -(-stop // BLOCK)):
            first = block * BLOCK
            low, high = max(start, first), min(stop, first + BLOCK)
            part = frames[low - start : high - start]
            if len(part) == min(BLOCK, self.config.n_positions - first):
                self._render(block, exact, part)
            else:
                part[:] = self._partial(block, exact)[low - first : high - first]
        return frames

    def expected(self, start: int, stop: int) -> NDArray[np.float32]:
        """Mean electrons in each pixel at some positions, without noise and defects of the detector."""
        positions = np.arange(start, stop)
        dose = self.config.electrons_per_frame * self.layout.flux.ravel()[positions]
        return self._renderer.expected(positions) * dose.astype(np.float32)[:, None, None]

    def probe(self) -> NDArray[np.float32]:
        """Expected vacuum probe at the mean origin, shape (frame_rows, frame_cols); it adds up to 1."""
        return self._renderer.probe()

    def prepare(self, progress: Progress | None = None, *, max_bytes: int = 2 << 30, exact: bool = False) -> None:
        """Render the whole scan into memory, so that `frames` only hands out views.

        Parameters
        ----------
        progress : callable, optional
            Called with the positions done and the positions in all.
        max_bytes : int
            Most memory to take.
        exact : bool
            Independent Poisson noise in every pixel, slower.

        Raises
        ------
        ConfigError
            If the scan is larger than `max_bytes`.
        """
        n, rows_cols = self.config.n_positions, self.config.frame_shape
        needed = n * int(np.prod(rows_cols)) * np.dtype(self.config.dtype).itemsize
        if needed > max_bytes:
            raise ConfigError(
                f"the scan takes {needed / 1e6:.0f} MB, more than the {max_bytes / 1e6:.0f} MB allowed; stream "
                "it without preparing, make the scan smaller, or raise the limit"
            )
        cache = np.empty((n, *rows_cols), self.config.dtype)
        step = 16 * BLOCK
        for start in range(0, n, step):
            stop = min(start + step, n)
            cache[start:stop] = self.frames(start, stop, exact=exact)
            if progress is not None:
                progress(stop, n)
        cache.flags.writeable = False
        self._cache, self._cache_is_exact = cache, exact

    def write_truth(self, path: str | Path) -> None:
        """Write the ground truth to an HDF5 file; see `truth` for the layout."""
        truth.write_truth(self, Path(path))

    def write_recording(self, path: str | Path, *, exact: bool = True, progress: Progress | None = None) -> None:
        """Write the scan and its truth to one HDF5 file, frames as the 4-D dataset ``data``."""
        truth.write_recording(self, Path(path), exact=exact, progress=progress)

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self.scatterer, self._canvas, self._shapes)

    @cached_property
    def _electrons(self) -> ElectronSource:
        return ElectronSource(self.scatterer, self._canvas, self._shapes)

    def _partial(self, block: int, exact: bool) -> NDArray[Any]:
        """All frames of a block; kept, because who asked for a part of it will soon ask for the rest."""
        if self._last is None or self._last[:2] != (block, exact):
            n = min(BLOCK, self.config.n_positions - block * BLOCK)
            frames = np.empty((n, *self.config.frame_shape), self.config.dtype)
            self._render(block, exact, frames)
            self._last = (block, exact, frames)
        return self._last[2]

    def _render(self, block: int, exact: bool, out: NDArray[Any]) -> None:
        first = block * BLOCK
        rng = np.random.default_rng([self.config.seed, 0x5E, block])
        if exact or self.config.electrons_per_frame > _CROWDED * out[0].size:
            counts = rng.poisson(self.expected(first, first + len(out)))
            np.minimum(counts, np.iinfo(out.dtype).max, out=out, casting="unsafe")
        else:
            self._electrons.draw(np.arange(first, first + len(out)), rng, out)
        self._spoil(out, rng)

    def _spoil(self, frames: NDArray[Any], rng: np.random.Generator) -> None:
        """Let hot pixels shine and dead ones not."""
        rows, cols = self.hot_pixels.T
        level = rng.poisson(_HOT_LEVEL, (len(frames), len(rows)))
        frames[:, rows, cols] = np.minimum(frames[:, rows, cols] + level, np.iinfo(frames.dtype).max)
        rows, cols = self.dead_pixels.T
        frames[:, rows, cols] = 0


def _defects(config: SpecimenConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hot and dead pixels ``(row, column)``, outside the direct beam so that they can be told from it."""
    rng = np.random.default_rng([config.seed, 0x6F])
    rows, cols = np.indices(config.frame_shape)
    away = np.hypot(rows - config.mean_origin[0], cols - config.mean_origin[1]) > 2 * config.probe_radius
    places = np.argwhere(away)
    chosen = places[rng.permutation(len(places))[: config.hot_pixels + config.dead_pixels]]
    return chosen[: config.hot_pixels], chosen[config.hot_pixels :]
