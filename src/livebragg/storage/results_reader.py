"""Read a results file back: finished, still growing, or left behind by a process that died."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from livebragg.errors import ResultsError
from livebragg.model import (
    VIRTUAL_IMAGES,
    Acquisition,
    AnalysisEvent,
    AnalysisSnapshot,
    Calibration,
    EllipseEstimate,
    MapGeometry,
    ProbeShape,
    ScanMetadata,
    ScanOrder,
    TrackedPeaks,
    pack_mask,
)
from livebragg.storage.results_content import FORMAT, FORMAT_VERSION, FinalResults
from livebragg.storage.stored_vectors import StoredVectors
from livebragg.storage.vector_log import read_vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Content of a results file.

    Parameters
    ----------
    path : Path
        The file.
    status : str
        ``complete``, ``stopped``, ``aborted``, or ``running``: being written, or left by a process that died.
    reason : str
        Why it ended, in words.
    created_at, finished_at : str
        UTC, ISO 8601; ``finished_at`` is empty for a running file.
    acquisition : Acquisition
        What was scanned; of a finished file with the final scan shape.
    parameters : dict
        Nested plain configuration.
    vectors : StoredVectors
        Every disk of every position; in scan order in a finished file.
    final : FinalResults or None
        Everything else; ``None`` where the file was not finalised.
    software : dict of str to str
        Versions.
    """

    path: Path
    status: str
    reason: str
    created_at: str
    finished_at: str
    acquisition: Acquisition
    parameters: dict[str, Any]
    vectors: StoredVectors
    final: FinalResults | None
    software: dict[str, str]


DAMAGE = (KeyError, OSError, ValueError, TypeError, IndexError, AttributeError, RuntimeError, MemoryError)
"""What reading a file raises whose parts are missing, or are not what they should be."""


def read_results(path: str | Path) -> Results:
    """Read a results file as it is at this moment.

    Raises
    ------
    ResultsError
        If the file is missing, damaged, or not a results file of this version.
    """
    path = Path(path)
    with open_results(path) as file:
        try:
            return _read(path, file)
        except ResultsError:
            raise
        except DAMAGE as error:
            raise ResultsError(f"{path} is damaged or incomplete ({error}); use a copy of it") from error


def open_results(path: Path) -> h5py.File:
    """Open a results file of any age; the caller closes it.

    Raises
    ------
    ResultsError
        It does not exist, or is not HDF5.
    """
    if not path.is_file():
        raise ResultsError(f"{path} does not exist; check its name")
    try:
        return h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        problem = error
    try:  # a running file, and one whose writer died, open in this mode only
        return h5py.File(path, "r", swmr=True)
    except OSError:
        raise ResultsError(
            f"{path} cannot be opened ({problem}); it must be a livebragg results file"
        ) from problem


def _read(path: Path, file: h5py.File) -> Results:
    top = file.get("livebragg")
    if top is None or top.attrs.get("format") != FORMAT:
        raise ResultsError(f"{path} was not written by livebragg: it has no group /livebragg of format {FORMAT!r}")
    if int(top.attrs["format_version"]) > FORMAT_VERSION:
        raise ResultsError(
            f"{path} has format version {top.attrs['format_version']}, newer than {FORMAT_VERSION}: "
            "read it with a newer livebragg"
        )
    return Results(
        path=path,
        status=top.attrs["status"],
        reason=top.attrs["reason"],
        created_at=top.attrs["created_at"],
        finished_at=top.attrs.get("finished_at", ""),
        acquisition=_acquisition(top["acquisition"]),
        parameters=json.loads(top["parameters/json"][()]),
        vectors=read_vectors(top["vectors"]),
        final=_final(top) if "classes" in top else None,
        software=dict(top["software"].attrs) if "software" in top else {},
    )


def _acquisition(group: h5py.Group) -> Acquisition:
    facts = dict(group.attrs)
    metadata = {f.name: _python(facts[f.name]) for f in fields(ScanMetadata) if f.name in facts}
    scan_shape = facts.get("scan_shape")
    return Acquisition(
        acquisition_id=facts["acquisition_id"],
        scan_shape=None if scan_shape is None else _pair(scan_shape),
        frame_shape=_pair(facts["frame_shape"]),
        dtype=facts["dtype"],
        frames_per_position=int(facts["frames_per_position"]),
        flyback_frames=int(facts["flyback_frames"]),
        scan_order=ScanOrder(facts["scan_order"]),
        metadata=ScanMetadata(**metadata),
        bad_pixels=pack_mask(group["bad_pixels"][...]) if "bad_pixels" in group else b"",
    )


def _python(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _pair(values: NDArray[np.integer]) -> tuple[int, int]:
    first, second = (int(v) for v in values)
    return first, second


def _final(top: h5py.Group) -> FinalResults:
    classes, health = top["classes"], top["health"]
    return FinalResults(
        snapshot=_snapshot(top),
        probe=_probe(dict(top["calibration"].attrs)),
        patterns=_optional(classes, "mean_patterns"),
        pattern_frames=_optional(classes, "mean_pattern_frames"),
        class_names=_texts(classes["names"]),
        features=_features(top.get("features")),
        health={name: _python(value) for name, value in health.attrs.items()},
        notices=_texts(health["notices"]),
        calibration=_calibration(dict(top["calibration"].attrs)),
        calibrated_map=_optional(top["calibration"], "vector_map"),
    )


def _snapshot(top: h5py.Group) -> AnalysisSnapshot:
    classes, images, maps = top["classes"], top["images"], top["vector_map"]
    shape = maps["bragg_vector_map"].shape
    return AnalysisSnapshot(
        version=int(top.attrs["snapshot_version"]),
        seen=images["seen"][...],
        labels=classes["labels"][...],
        confidence=classes["confidence"][...],
        class_ids=classes["ids"][...],
        class_families=_texts(classes["families"]),  # type: ignore[arg-type]  # what was written
        class_positions=classes["positions"][...],
        class_fractions=classes["area_fractions"][...],
        weights=classes["weights"][...],
        shares=_shares(classes),
        class_patterns=classes["peak_patterns"][...],
        profile_radii=_or_empty(classes, "profile_radii", (0,)),
        class_profiles=_or_empty(classes, "profiles", (classes["ids"].size, 2, 0)),
        class_vector_maps=classes["vector_maps"][...],
        virtual_images={name: images["virtual"][name][...] for name in VIRTUAL_IMAGES},
        n_disks=images["n_disks"][...],
        bragg_intensity=images["bragg_intensity"][...],
        origin=top["calibration/origin"][...],
        bragg_vector_map=maps["bragg_vector_map"][...],
        map_geometry=MapGeometry(shape=shape, sampling=float(maps.attrs["sampling"])),
        peaks=_peaks(top["peaks"]),
        events=_events(top["events"]),
        residual=float(top.attrs["nmf_residual"]),
        sum_pattern=top["sum_pattern"][...],
        duplicates=int(top.attrs["duplicates"]),
        finished=bool(top.attrs["refined"]),
    )


def _shares(classes: h5py.Group) -> NDArray[np.float32]:
    """As written; files from before there were shares have only labels."""
    if "shares" in classes:
        return np.asarray(classes["shares"][...], np.float32)
    labels = classes["labels"][...]
    return (
        np.stack([labels == c for c in classes["ids"][...]]).astype(np.float32)
        if classes["ids"].size
        else (np.zeros((0, *labels.shape), np.float32))
    )


def _or_empty(group: h5py.Group, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.asarray(group[name][...] if name in group else np.zeros(shape), np.float32)


def _peaks(group: h5py.Group) -> TrackedPeaks:
    names = ("qx", "qy", "support", "significance", "covariance")
    return TrackedPeaks(peak_id=group["id"][...], **{name: group[name][...] for name in names})


def _events(group: h5py.Group) -> tuple[AnalysisEvent, ...]:
    seen = group["positions_seen"][...].tolist()
    times = group["time"][...].tolist() if "time" in group else [math.nan] * len(seen)  # older files have none
    rows = zip(
        seen,
        _texts(group["kind"]),
        group["subject"][...].tolist(),
        _texts(group["detail"]),
        (None if math.isnan(at) else at for at in times),
        strict=True,
    )
    return tuple(AnalysisEvent(positions_seen=n, kind=k, subject=s, detail=d, at=at) for n, k, s, d, at in rows)


def _texts(dataset: h5py.Dataset) -> tuple[str, ...]:
    return tuple(dataset.asstr()[...]) if dataset.size else ()


def _optional(group: h5py.Group, name: str) -> NDArray[Any] | None:
    return group[name][...] if name in group else None


def _probe(facts: dict[str, Any]) -> ProbeShape | None:
    if "probe_radius" not in facts:
        return None
    row, col = (float(v) for v in facts["probe_center"])
    return ProbeShape(
        radius=float(facts["probe_radius"]), edge_width=float(facts["probe_edge_width"]), center=(row, col)
    )


def _calibration(facts: dict[str, Any]) -> Calibration | None:
    if "rotation_deg" not in facts:
        return None
    ellipse = None
    if "ellipse_e1" in facts:
        known = {f.name: facts.get(f"ellipse_{f.name}") for f in fields(EllipseEstimate)}  # older files know fewer
        known["unequal"] = tuple(float(v) for v in facts.get("ellipse_unequal", (0.0, 0.0)))
        ellipse = EllipseEstimate(**{name: _python(value) for name, value in known.items() if value is not None})
    size = facts.get("q_pixel_size_inv_angstrom")
    return Calibration(
        ellipse=ellipse,
        ellipse_note=facts["ellipse_note"],
        q_pixel_size_inv_angstrom=None if size is None else float(size),
        q_pixel_size_error=float(facts.get("q_pixel_size_error", 0.0)),
        q_pixel_size_note=str(facts.get("q_pixel_size_note", "")),
        rotation_deg=float(facts["rotation_deg"]),
        flip=bool(facts["flip"]),
    )


def _features(group: h5py.Group | None) -> csr_array | None:
    if group is None:
        return None
    parts = (group["data"][...], group["indices"][...], group["indptr"][...])
    return csr_array(parts, shape=_pair(group.attrs["shape"]))
