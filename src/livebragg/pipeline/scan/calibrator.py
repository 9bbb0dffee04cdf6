"""Measures the calibration of a scan while it grows: ellipse from crystals or halos, pixel size from a ring."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from livebragg.calibrate import HaloPattern, agreed, combined, ellipse_of_halo, ellipse_of_rings, pixel_size
from livebragg.classify.components import evenly
from livebragg.config.analysis import CalibrationConfig
from livebragg.detect.frame_profiles import without_hot_pixels
from livebragg.errors import CalibrationError
from livebragg.model import AnalysisSnapshot, Calibration, EllipseEstimate, ProbeShape
from livebragg.pipeline.frame_lookup import FrameLookup
from livebragg.pipeline.scan.class_patterns import DiskMask
from livebragg.storage.calibration_file import save_calibration

_AGAIN = 1.4
"""Growth of the scan after which the calibration is measured again."""
_FRAMES_PER_HALO = 200
_TAILS = 8.0
"""Pixels beyond the edge of the direct beam that show its tails, not a halo: these are as round as the beam, and
so bright that they would decide where the halo has no ring."""
_INNER = 1.6
"""The same at least, in probe radii."""


_BUDGET_S = 0.01
"""Time for reading frames at each update: a calibration takes a few."""

P = ParamSpec("P")
T = TypeVar("T")
Steps = Generator[Future[Any] | None, None, T]
"""Work in small steps; a future is something to wait for."""


class Calibrator:
    """Keeps the calibration of one scan up to date, a little at each update; another thread does the computing.

    Parameters
    ----------
    config : CalibrationConfig
        What to measure, and what is known.
    lookup : FrameLookup
        Frames for halos.
    mask : DiskMask
        Tells which disks are in a frame.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    announced_pixel_size : float, optional
        Pixel size in 1/angstrom that the stream or file says.
    loaded : Calibration, optional
        What the configured calibration file says.
    usable_pixels : callable, optional
        Returns what is False where a pixel says nothing, shape (frame_rows, frame_cols): a beam stop is no part of
        a halo.
    """

    def __init__(
        self,
        config: CalibrationConfig,
        lookup: FrameLookup,
        mask: DiskMask,
        frame_shape: tuple[int, int],
        announced_pixel_size: float | None = None,
        loaded: Calibration | None = None,
        usable_pixels: Callable[[], NDArray[np.bool_]] | None = None,
    ) -> None:
        self._config = config
        self._lookup = lookup
        self._mask = mask
        self._shape = frame_shape
        self._loaded = loaded
        self._announced = announced_pixel_size
        self._usable = usable_pixels
        self._measured_at = 0
        self._work: Steps[None] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="calibration")
        self.calibration = self._with_pixel_size(*self._known_ellipse(), None)

    def update(self, snapshot: AnalysisSnapshot, *, final: bool = False) -> Calibration:
        """The calibration as it is known; measured anew, over the next updates, when the scan has grown, and at
        the end at once."""
        seen = int(snapshot.seen.sum())
        if final or (self._work is None and seen >= _AGAIN * self._measured_at):
            self._measured_at = max(seen, 1)
            self._work = self._measured(snapshot)
        self._go_on(final)
        return self.calibration

    def _go_on(self, to_the_end: bool) -> None:
        deadline = time.perf_counter() + _BUDGET_S
        for task in self._work or ():
            if to_the_end:
                wait([] if task is None else [task])
            elif task is not None or time.perf_counter() > deadline:
                return
        self._work = None

    def _measured(self, snapshot: AnalysisSnapshot) -> Steps[None]:
        """Set the calibration that this snapshot supports."""
        ellipse, note = self._known_ellipse()
        if ellipse is None and self._is_to_measure:
            ellipse, note = yield from self._measure(snapshot)
        self.calibration = self._with_pixel_size(ellipse, note, snapshot)

    def _elsewhere(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> Steps[T]:
        """What the function returns, computed by the other thread."""
        task = self._pool.submit(function, *args, **options)
        while not task.done():
            yield task
        return task.result()

    def change(self, config: CalibrationConfig, snapshot: AnalysisSnapshot | None) -> None:
        """Use another configuration; the next update applies it to everything that was seen.

        Raises
        ------
        CalibrationError
            The ring that the pixel size is to be measured from is not there; nothing has changed.
        """
        ring = config.reference_spacing_angstrom, config.reference_radius_px
        before = self._config.reference_spacing_angstrom, self._config.reference_radius_px
        if snapshot is not None and ring != before and None not in ring:
            _ring(config, self.calibration.ellipse, snapshot)
        self._config, self._loaded, self._measured_at, self._work = config, None, 0, None
        if snapshot is not None:  # until the ellipse is measured again, the one that was counts
            ellipse, note = self._known_ellipse()
            if ellipse is None and self._is_to_measure:
                ellipse, note = self.calibration.ellipse, self.calibration.ellipse_note
            self.calibration = self._with_pixel_size(ellipse, note, snapshot)

    @property
    def is_busy(self) -> bool:
        """Whether a calibration is being measured."""
        return self._work is not None

    def save(self) -> None:
        """Keep the calibration for the next scan, if that is configured."""
        if self._config.save_to:
            save_calibration(self._config.save_to, self.calibration)

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)

    @property
    def _is_to_measure(self) -> bool:
        return self._config.ellipse in ("measure", "crystal") and self._loaded is None

    def _known_ellipse(self) -> tuple[EllipseEstimate | None, str]:
        config = self._config
        if self._loaded is not None:
            return self._loaded.ellipse, self._loaded.ellipse_note
        if config.ellipse == "given":
            return EllipseEstimate.from_axes(config.ellipse_ratio, config.ellipse_angle_deg, "given"), ""
        return None, "not asked for" if config.ellipse == "none" else "not measured yet"

    def _measure(self, snapshot: AnalysisSnapshot) -> Steps[tuple[EllipseEstimate | None, str]]:
        """What all the evidence says together, or the reasons why the ellipse is not known."""
        found: list[EllipseEstimate | None] = []
        reasons: list[str] = []
        for evidence in (self._rings, self._halos):
            try:
                found.append((yield from evidence(snapshot)))
            except CalibrationError as error:
                found.append(None)
                reasons.append(str(error))
        if any(found):
            try:
                return agreed(*found), ""
            except CalibrationError as error:
                reasons.insert(0, str(error))
        return None, "; ".join(reasons)

    def _rings(self, snapshot: AnalysisSnapshot) -> Steps[EllipseEstimate]:
        owner = _crystals(snapshot)
        symmetric = self._config.ellipse == "crystal"
        qx, qy = snapshot.peaks.qx, snapshot.peaks.qy
        return (yield from self._elsewhere(ellipse_of_rings, qx, qy, owner, symmetric=symmetric))

    def _halos(self, snapshot: AnalysisSnapshot) -> Steps[EllipseEstimate]:
        found, problem = [], CalibrationError("no amorphous class shows a halo")
        for number, family in zip(snapshot.class_ids, snapshot.class_families, strict=True):
            if family == "amorphous":
                members = np.flatnonzero(snapshot.labels.reshape(-1) == number)
                try:
                    found.append((yield from self._halo(snapshot, members)))
                except CalibrationError as error:
                    problem = error
        if not found:
            raise problem
        return combined(found)

    def _halo(self, snapshot: AnalysisSnapshot, members: NDArray[np.int64]) -> Steps[EllipseEstimate]:
        probe = self._mask.probe
        halo = HaloPattern(self._shape, probe.radius + probe.edge_width, self._usable and self._usable())
        origin = snapshot.origin.reshape(-1, 2)
        for index, frames in self._lookup.some(evenly(members, _FRAMES_PER_HALO)):
            for position, frame in zip(index, without_hot_pixels(frames), strict=True):
                qx, qy, _ = self._mask.disks_of(np.array([position]))
                halo.add(frame, origin[position], np.stack([qx, qy], axis=1))
                yield None
        if halo.n_frames == 0:
            raise CalibrationError("the frames of the amorphous positions are gone")
        mean, weight, center = halo.snapshot()
        reach = _reach(probe, self._shape)
        inner = max(_INNER * probe.radius, min(probe.radius + _TAILS, reach / 2))
        return (yield from self._elsewhere(ellipse_of_halo, mean, weight, center, inner, reach))

    def _with_pixel_size(
        self, ellipse: EllipseEstimate | None, note: str, snapshot: AnalysisSnapshot | None
    ) -> Calibration:
        config, known = self._config, self._loaded
        size, error, problem = config.q_pixel_size_inv_angstrom, 0.0, ""
        if size is None and known is not None:
            size, error = known.q_pixel_size_inv_angstrom, known.q_pixel_size_error
        if size is None and config.reference_spacing_angstrom is not None and snapshot is not None:
            try:
                size, error = _ring(config, ellipse, snapshot)
            except CalibrationError as refused:
                problem = str(refused)
        return Calibration(
            ellipse=ellipse,
            ellipse_note=note,
            q_pixel_size_inv_angstrom=self._announced if size is None else size,
            q_pixel_size_error=error,
            q_pixel_size_note=problem,
            rotation_deg=known.rotation_deg if known is not None else config.rotation_deg,
            flip=known.flip if known is not None else config.flip,
        )


def _ring(
    config: CalibrationConfig, ellipse: EllipseEstimate | None, snapshot: AnalysisSnapshot
) -> tuple[float, float]:
    """Pixel size and its error from the ring of the configuration."""
    peaks = np.stack([snapshot.peaks.qx, snapshot.peaks.qy], axis=1)
    straight = peaks if ellipse is None else peaks @ ellipse.matrix.T
    spacing, radius = config.reference_spacing_angstrom or 0.0, config.reference_radius_px or 0.0
    return pixel_size(straight, spacing, radius, _crystals(snapshot))


def _crystals(snapshot: AnalysisSnapshot) -> NDArray[np.int64]:
    """Which crystal each tracked peak belongs to, negative for none."""
    crystal = np.array([family == "crystal" for family in snapshot.class_families], np.bool_)
    patterns = snapshot.class_patterns[crystal]
    if patterns.size == 0:
        return np.full(len(snapshot.peaks), -1, np.int64)
    return np.asarray(np.where(patterns.max(axis=0) > 0, patterns.argmax(axis=0), -1), np.int64)


def _reach(probe: ProbeShape, shape: tuple[int, int]) -> float:
    """Largest radius that lies on the detector in all directions."""
    return min(min(c, n - 1 - c) for c, n in zip(probe.center, shape, strict=True))
