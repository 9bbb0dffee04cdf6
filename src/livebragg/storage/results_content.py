"""What ``/livebragg`` of a results file holds besides the vectors, and how it is written."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from livebragg.model import Acquisition, AnalysisSnapshot, Calibration, ProbeShape, unpack_mask
from livebragg.storage.stored_vectors import StoredVectors

FORMAT = "livebragg-results"
FORMAT_VERSION = 1

_PACKAGES = ("livebragg", "numpy", "scipy", "numba", "scikit-learn", "h5py", "hdf5plugin", "pyzmq")


class SparseRows(Protocol):
    """A compressed sparse row matrix, such as ``scipy.sparse.csr_array``."""

    @property
    def indptr(self) -> NDArray[np.integer]: ...
    @property
    def indices(self) -> NDArray[np.integer]: ...
    @property
    def data(self) -> NDArray[np.floating]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalResults:
    """Everything that is known when a scan is over.

    Parameters
    ----------
    snapshot : AnalysisSnapshot
        Maps, classes, peaks, events.
    probe : ProbeShape or None
        Direct beam used for detection.
    patterns : NDArray[np.float32] or None, shape (n_classes, frame_rows, frame_cols)
        Mean diffraction pattern of each class, counts per position; NaN where there were no frames.
    pattern_frames : NDArray[np.int64] or None, shape (n_classes,)
        Positions in each of `patterns`.
    class_names : sequence of str
        Name of each class.
    features : SparseRows or None, shape (n_positions, n_columns)
        Feature row of each scan index; columns are peak ids.
    health : mapping
        Counters and rates.
    notices : sequence of str
        Warnings in words, oldest first.
    calibration : Calibration or None
        Ellipse, pixel size, rotation.
    calibrated_map : NDArray[np.float32] or None, shape snapshot.map_geometry.shape
        Bragg vector map with the calibration's ellipse, flip and rotation applied to every disk.
    """

    snapshot: AnalysisSnapshot
    probe: ProbeShape | None = None
    patterns: NDArray[np.float32] | None = None
    pattern_frames: NDArray[np.int64] | None = None
    class_names: Sequence[str] = ()
    features: SparseRows | None = None
    health: Mapping[str, object] | None = None
    notices: Sequence[str] = ()
    calibration: Calibration | None = None
    calibrated_map: NDArray[np.float32] | None = None


def finished_bytes(vectors: StoredVectors, results: FinalResults) -> int:
    """About the largest size of a finished file: maps are in it twice, vectors in two forms, and 10 % more."""
    bins = 0 if vectors.profiles is None else vectors.profiles.radii.size
    per_disk, per_position = 20 + 24, 64 + 12 * bins
    lists = len(vectors.peaks) * per_disk + results.snapshot.seen.size * per_position
    features = 0 if results.features is None else 8 * results.features.data.size
    return int(1.1 * (2 * array_bytes(results) + lists + features)) + 2**20


def array_bytes(value: object) -> int:
    """Bytes of the arrays in dataclasses and dictionaries."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(array_bytes, value.values()))
    if is_dataclass(value):
        return sum(array_bytes(getattr(value, f.name)) for f in fields(value))
    return 0


def write_acquisition(group: h5py.Group, acquisition: Acquisition) -> None:
    """Facts about the scan as attributes; those that are not known are left out."""
    facts = {
        f.name: getattr(acquisition, f.name)
        for f in fields(acquisition)
        if f.name not in ("metadata", "bad_pixels", "channel")
    }
    facts["channel"] = acquisition.channel or None
    if acquisition.bad_pixels:
        group["bad_pixels"] = unpack_mask(acquisition.bad_pixels, acquisition.frame_shape)
    facts |= {f.name: getattr(acquisition.metadata, f.name) for f in fields(acquisition.metadata)}
    group.attrs.update({name: plain(value) for name, value in facts.items() if value is not None})


def plain(value: object) -> object:
    """What HDF5 can hold as an attribute: text without null characters, numbers, arrays; else JSON."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, bool | int | float | tuple | np.generic | np.ndarray):
        return value
    return json.dumps(value, default=str)


def write_parameters(group: h5py.Group, parameters: Mapping[str, object]) -> None:
    """The configuration, once for programs and once for people (and as a file to start again from)."""
    group["json"] = json.dumps(parameters, default=str)
    group["toml"] = "\n".join(_toml_lines(parameters, ""))


def _toml_lines(table: Mapping[str, object], name: str) -> list[str]:
    lines = [f"{key} = {_toml_value(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    if name and lines:
        lines.insert(0, f"\n[{name}]")
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _toml_lines(value, f"{name}.{key}" if name else key)
    return lines


def _toml_value(value: object) -> str:
    if isinstance(value, float):
        return repr(value)  # json writes inf and nan in a way that TOML does not know
    return json.dumps(value, default=str)


def write_software(group: h5py.Group) -> None:
    """Versions of everything that computed the results."""
    for package in _PACKAGES:
        try:
            group.attrs[package] = version(package)
        except PackageNotFoundError:  # run from a source tree that is not installed
            group.attrs[package] = "unknown"
    group.attrs.update(
        python=platform.python_version(), hdf5=h5py.version.hdf5_version, platform=platform.platform()
    )


def write_final(top: h5py.Group, results: FinalResults) -> None:
    """Fill ``/livebragg`` with everything but vectors, acquisition and parameters."""
    snapshot = results.snapshot
    top.attrs.update(
        snapshot_version=snapshot.version,
        nmf_residual=snapshot.residual,
        duplicates=snapshot.duplicates,
        refined=snapshot.finished,
    )
    _write_classes(top.create_group("classes"), results)
    _write_peaks(top.create_group("peaks"), snapshot)
    _write_images(top.create_group("images"), snapshot)
    _write_vector_map(top.create_group("vector_map"), snapshot)
    _write_calibration(top.create_group("calibration"), results)
    _put(top, "sum_pattern", snapshot.sum_pattern, "counts")
    _write_events(top.create_group("events"), snapshot)
    if results.features is not None:
        _write_features(top.create_group("features"), results.features)
    health = top.create_group("health")
    health.attrs.update({name: plain(value) for name, value in (results.health or {}).items()})
    _put(health, "notices", list(results.notices))
    write_software(top.create_group("software"))


def _put(group: h5py.Group, name: str, data: Any, unit: str = "", *, compress: bool = False) -> None:
    if isinstance(data, list | tuple):
        data = np.array([plain(text) for text in data], h5py.string_dtype())
    options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if compress and data.size else {}
    dataset = group.create_dataset(name, data=data, **options)
    if unit:
        dataset.attrs["unit"] = unit


def _write_classes(group: h5py.Group, results: FinalResults) -> None:
    snapshot = results.snapshot
    names = list(results.class_names) or [f"class {class_id}" for class_id in snapshot.class_ids]
    group.attrs["not_classified"] = -1
    _put(group, "labels", snapshot.labels)
    _put(group, "weights", snapshot.weights)
    _put(group, "confidence", snapshot.confidence)
    _put(group, "shares", snapshot.shares, compress=True)
    _put(group, "profile_radii", snapshot.profile_radii, "pixels")
    _put(group, "profiles", snapshot.class_profiles, "counts, counts^2")
    _put(group, "ids", snapshot.class_ids)
    _put(group, "names", names)
    _put(group, "families", snapshot.class_families)
    _put(group, "positions", snapshot.class_positions, "positions")
    _put(group, "area_fractions", snapshot.class_fractions)
    _put(group, "peak_patterns", snapshot.class_patterns)
    _put(group, "vector_maps", snapshot.class_vector_maps, "disks per bin", compress=True)
    if results.patterns is not None:
        _put(group, "mean_patterns", results.patterns, "counts per position")
    if results.pattern_frames is not None:
        _put(group, "mean_pattern_frames", results.pattern_frames, "positions")


def _write_peaks(group: h5py.Group, snapshot: AnalysisSnapshot) -> None:
    peaks = snapshot.peaks
    _put(group, "id", peaks.peak_id)
    _put(group, "qx", peaks.qx, "pixels")
    _put(group, "qy", peaks.qy, "pixels")
    _put(group, "support", peaks.support, "positions")
    _put(group, "significance", peaks.significance, "standard deviations")
    _put(group, "covariance", peaks.covariance, "pixels^2")


def _write_images(group: h5py.Group, snapshot: AnalysisSnapshot) -> None:
    _put(group, "seen", snapshot.seen)
    for name, image in snapshot.virtual_images.items():
        _put(group, f"virtual/{name}", image, "pixels" if name.startswith("com_") else "counts")
    _put(group, "n_disks", snapshot.n_disks, "disks")
    _put(group, "bragg_intensity", snapshot.bragg_intensity, "counts")


def _write_vector_map(group: h5py.Group, snapshot: AnalysisSnapshot) -> None:
    geometry = snapshot.map_geometry
    group.attrs.update(sampling=geometry.sampling, sampling_unit="bins per pixel", origin_bin=geometry.origin_bin)
    _put(group, "bragg_vector_map", snapshot.bragg_vector_map, compress=True)


def _write_calibration(group: h5py.Group, results: FinalResults) -> None:
    _put(group, "origin", results.snapshot.origin, "pixels")
    probe, calibration = results.probe, results.calibration
    if probe is not None:
        group.attrs.update(
            probe_radius=probe.radius,
            probe_edge_width=probe.edge_width,
            probe_center=probe.center,
            probe_unit="pixels",
        )
    if calibration is None:
        return
    group.attrs.update(rotation_deg=calibration.rotation_deg, flip=calibration.flip)
    group.attrs["ellipse_note"] = plain(calibration.ellipse_note)
    group.attrs["q_pixel_size_note"] = plain(calibration.q_pixel_size_note)
    if calibration.ellipse is not None:
        ellipse = calibration.ellipse
        facts = {f.name: getattr(ellipse, f.name) for f in fields(ellipse)}
        group.attrs.update({f"ellipse_{name}": plain(value) for name, value in facts.items()})
        group.attrs.update(ellipse_ratio=ellipse.ratio, ellipse_angle_deg=ellipse.angle_deg)
        group.attrs.update(
            ellipse_ratio_error=ellipse.ratio_error, ellipse_angle_error_deg=ellipse.angle_error_deg
        )
    if calibration.q_pixel_size_inv_angstrom is not None:
        group.attrs["q_pixel_size_inv_angstrom"] = calibration.q_pixel_size_inv_angstrom
        group.attrs["q_pixel_size_error"] = calibration.q_pixel_size_error
    peaks = results.snapshot.peaks
    unit = "pixels" if calibration.q_pixel_size_inv_angstrom is None else "1/angstrom"
    offsets = np.stack([peaks.qx, peaks.qy], axis=1)
    _put(group, "peaks", calibration.apply(offsets), unit)
    if results.calibrated_map is not None:
        _put(group, "vector_map", results.calibrated_map, "disks per bin", compress=True)


def _write_events(group: h5py.Group, snapshot: AnalysisSnapshot) -> None:
    events = snapshot.events
    _put(group, "positions_seen", np.array([e.positions_seen for e in events], np.int64), "positions")
    _put(group, "kind", [e.kind for e in events])
    _put(group, "subject", np.array([e.subject for e in events], np.int64))
    _put(group, "detail", [e.detail for e in events])
    times = [np.nan if e.at is None else e.at for e in events]
    _put(group, "time", np.array(times, np.float64), "seconds since 1970-01-01 UTC")


def _write_features(group: h5py.Group, features: SparseRows) -> None:
    group.attrs["shape"] = features.shape
    _put(group, "indptr", np.asarray(features.indptr, np.int64))
    _put(group, "indices", np.asarray(features.indices, np.int32))
    _put(group, "data", np.asarray(features.data, np.float32))
