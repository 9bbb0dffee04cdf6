"""Writers for the pieces of an EMD 1.0 file, the HDF5 layout that ``py4DSTEM.read`` opens."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from livebragg.storage.stored_vectors import StoredVectors

POINT = np.dtype([("qx", np.float64), ("qy", np.float64), ("intensity", np.float64)])
"""One Bragg vector: detector pixels along axis 0 and 1, counts."""

_POSITIONS_AT_A_TIME = 16384


@dataclass(frozen=True, slots=True)
class Axis:
    """Coordinates along one axis of an array."""

    name: str
    step: float = 1.0
    unit: str = "pixels"
    start: float = 0.0


def write_header(file: h5py.File) -> None:
    """Mark a file as EMD 1.0."""
    file.attrs.update(
        emd_group_type="file",
        version_major=1,
        version_minor=0,
        UUID=str(uuid.uuid4()),
        authoring_program="livebragg",
        authoring_user=_user(),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in containers
        return ""


def create_node(parent: h5py.Group, name: str, kind: str, python_class: str) -> h5py.Group:
    """Group of one EMD node."""
    group = parent.create_group(name)
    group.attrs.update(emd_group_type=kind, python_class=python_class)
    return group


def write_metadata(
    node: h5py.Group, name: str, items: Mapping[str, object], python_class: str = "Metadata"
) -> None:
    """Dictionary attached to a node.

    Values are ``None``, booleans, numbers, strings, arrays, tuples of numbers, or lists of strings.
    """
    if "metadatabundle" not in node:
        node.create_group("metadatabundle").attrs["emd_group_type"] = "metadatabundle"
    group = create_node(node["metadatabundle"], name, "metadata", python_class)
    for key, value in items.items():
        _write_item(group, key, value)


def _write_item(group: h5py.Group, key: str, value: object) -> None:
    if isinstance(value, list):
        texts = group.create_group(key)
        texts.attrs.update(type="list_of_strings", length=len(value))
        for index, text in enumerate(value):
            texts[str(index)] = text.encode()
        return
    kind, stored = _typed(value)
    group.create_dataset(key, data=stored).attrs["type"] = kind


def _typed(value: object) -> tuple[str, object]:
    match value:
        case None:
            return "None", b"_None"
        case str():
            return "string", value.encode()
        case bool():
            return "bool", value
        case np.ndarray():
            return "array", value
        case tuple():
            return "tuple", value
        case _:
            return "number", value


def write_array(
    parent: h5py.Group,
    name: str,
    data: NDArray[np.generic],
    python_class: str,
    axes: Sequence[Axis],
    *,
    unit: str = "",
    labels: Sequence[str] = (),
) -> h5py.Group:
    """Array node; with `labels`, the first axis of `data` counts named slices.

    Parameters
    ----------
    data : NDArray, shape (n0, n1), or (len(labels), n0, n1)
    axes : sequence of Axis
        The axes of one slice. The file numbers them from 0, and the labels after them.
    """
    group = create_node(parent, name, "array", python_class)
    compression = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if data.size else {}
    group.create_dataset("data", data=data, **compression).attrs["units"] = unit
    for number, (axis, length) in enumerate(zip(axes, data.shape[-len(axes) :], strict=True)):
        coordinates = axis.start + axis.step * np.arange(length)
        dim = group.create_dataset(f"dim{number}", data=coordinates)
        dim.attrs.update(name=axis.name, units=axis.unit)
    if labels:
        dim = group.create_dataset(f"dim{len(axes)}", data=np.array([text.encode() for text in labels]))
        dim.attrs["name"] = "_labels_"
    return group


def write_bragg_vectors(
    parent: h5py.Group,
    name: str,
    vectors: StoredVectors,
    scan_shape: tuple[int, int],
    frame_shape: tuple[int, int],
) -> None:
    """All Bragg vectors of a scan as py4DSTEM's ``BraggVectors``: a list of points per position.

    Parameters
    ----------
    vectors : StoredVectors
        In scan order; positions without a record get an empty list.
    """
    node = create_node(parent, name, "custom", "BraggVectors")
    write_metadata(node, "_braggvectors_shape", {"Rshape": scan_shape, "Qshape": frame_shape})
    points = create_node(node, "_v_uncal", "custom_pointlistarray", "PointListArray")
    data = points.create_dataset("data", scan_shape, h5py.vlen_dtype(POINT))
    rows_at_a_time = max(1, _POSITIONS_AT_A_TIME // scan_shape[1])
    for row in range(0, scan_shape[0], rows_at_a_time):
        stop = min(row + rows_at_a_time, scan_shape[0])
        lists = _point_lists(vectors, row * scan_shape[1], stop * scan_shape[1])
        # Not ``data[row:stop] = lists``, which takes lists of one point each for one list of points.
        data.write_direct(lists.reshape(stop - row, scan_shape[1]), dest_sel=np.s_[row:stop])


def _point_lists(vectors: StoredVectors, start: int, stop: int) -> NDArray[np.object_]:
    """Points of each of the positions ``start:stop``."""
    first, last = np.searchsorted(vectors.scan_index, [start, stop])
    offsets = vectors.peaks.offsets[first : last + 1]
    points = np.empty(offsets[-1] - offsets[0], POINT)
    for column in POINT.names or ():
        points[column] = getattr(vectors.peaks, column)[offsets[0] : offsets[-1]]
    lists = np.empty(stop - start, h5py.vlen_dtype(POINT))
    lists.fill(points[:0])
    bounds = (offsets - offsets[0]).tolist()
    for record, position in enumerate((vectors.scan_index[first:last] - start).tolist()):
        lists[position] = points[bounds[record] : bounds[record + 1]]
    return lists
