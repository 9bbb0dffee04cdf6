"""The part of a results file that py4DSTEM reads: vectors, calibration and images as EMD nodes."""

from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import NDArray

from livebragg.model import Acquisition, AnalysisSnapshot, ScanMetadata
from livebragg.storage import emd
from livebragg.storage.results_content import FinalResults
from livebragg.storage.stored_vectors import StoredVectors

ROOT = "py4DSTEM_root"
"""Name of the root group: py4DSTEM's own choice."""


def write_emd(file: h5py.File, acquisition: Acquisition, vectors: StoredVectors, results: FinalResults) -> None:
    """Write the whole EMD tree into an empty file.

    Parameters
    ----------
    vectors : StoredVectors
        In scan order.
    """
    snapshot = results.snapshot
    emd.write_header(file)
    root = emd.create_node(file, ROOT, "root", "Root")
    emd.write_metadata(root, "calibration", _calibration(acquisition.metadata, results), "Calibration")
    emd.write_bragg_vectors(root, "braggvectors", vectors, snapshot.scan_shape, acquisition.frame_shape)
    scan = _axes(("Rx", "Ry"), *_scan_step(acquisition.metadata))
    for name, image in _images(snapshot).items():
        emd.write_array(root, name, image, "VirtualImage", scan, unit="intensity")
    _write_maps(root, results, scan)
    frame = _axes(("Qx", "Qy"), *_pixel_size(acquisition.metadata))
    n_seen = max(int(snapshot.seen.sum()), 1)
    mean = (snapshot.sum_pattern / n_seen).astype(np.float32)
    emd.write_array(root, "mean_pattern", mean, "DiffractionSlice", frame, unit="intensity")
    if results.patterns is not None and results.patterns.size:
        emd.write_array(
            root,
            "class_patterns",
            results.patterns,
            "DiffractionSlice",
            frame,
            unit="intensity",
            labels=_class_labels(snapshot),
        )
    _write_vector_map(root, snapshot)


def _images(snapshot: AnalysisSnapshot) -> dict[str, NDArray[np.float32]]:
    return {**snapshot.virtual_images, "n_disks": snapshot.n_disks, "bragg_intensity": snapshot.bragg_intensity}


def _write_maps(root: h5py.Group, results: FinalResults, scan: list[emd.Axis]) -> None:
    snapshot = results.snapshot
    emd.write_array(root, "class_labels", snapshot.labels, "RealSlice", scan, unit="class")
    if snapshot.class_ids.size:
        labels = _class_labels(snapshot)
        emd.write_array(root, "class_weights", snapshot.weights, "RealSlice", scan, unit="weight", labels=labels)


def _class_labels(snapshot: AnalysisSnapshot) -> list[str]:
    return [f"class {class_id}" for class_id in snapshot.class_ids]


def _write_vector_map(root: h5py.Group, snapshot: AnalysisSnapshot) -> None:
    geometry = snapshot.map_geometry
    step = 1.0 / geometry.sampling
    axes = [
        emd.Axis(name, step, "pixels", -origin * step)
        for name, origin in zip(("Qx", "Qy"), geometry.origin_bin, strict=True)
    ]
    node = emd.write_array(root, "bragg_vector_map", snapshot.bragg_vector_map, "BraggVectorMap", axes)
    grid = {"origin": np.array(geometry.origin_bin), "pixelsize": step, "weights": None}
    emd.write_metadata(node, "grid", grid)


def _calibration(metadata: ScanMetadata, results: FinalResults) -> dict[str, object]:
    q_size, q_unit = _pixel_size(metadata)
    if results.calibration is not None and results.calibration.q_pixel_size_inv_angstrom is not None:
        q_size, q_unit = results.calibration.q_pixel_size_inv_angstrom, "A^-1"
    r_size, r_unit = _scan_step(metadata)
    items: dict[str, object] = {
        "Q_pixel_size": q_size,
        "Q_pixel_units": q_unit,
        "R_pixel_size": r_size,
        "R_pixel_units": r_unit,
        "QR_flip": False,
        **_origin(results.snapshot.origin),
        "_target_paths": ["/braggvectors"],
        "_root_treepath": "",
    }
    if results.probe is not None:
        items |= {"probe_semiangle": results.probe.radius, "probe_center": results.probe.center}
    if metadata.convergence_angle_mrad is not None:
        items["probe_convergence_semiangle_mrad"] = metadata.convergence_angle_mrad
    return items


def _origin(origin: NDArray[np.float32]) -> dict[str, object]:
    """Origin maps; positions not seen take the mean, because py4DSTEM expects a number everywhere."""
    items: dict[str, object] = {}
    for name, axis in (("qx0", 0), ("qy0", 1)):
        values = origin[..., axis].astype(np.float64)
        known = np.isfinite(values)
        if not known.any():
            return {}
        mean = float(values[known].mean())
        filled = np.where(known, values, mean)
        items |= {name: filled, f"{name}_mean": mean, f"{name}_shift": filled - mean}
    return items


def _pixel_size(metadata: ScanMetadata) -> tuple[float, str]:
    size = metadata.q_pixel_size_inv_angstrom
    return (1.0, "pixels") if size is None else (size, "A^-1")


def _scan_step(metadata: ScanMetadata) -> tuple[float, str]:
    step = metadata.scan_step_nm
    return (1.0, "pixels") if step is None else (step, "nm")


def _axes(names: tuple[str, str], step: float, unit: str) -> list[emd.Axis]:
    return [emd.Axis(name, step, unit) for name in names]
