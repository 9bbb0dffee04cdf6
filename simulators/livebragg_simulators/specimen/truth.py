"""The ground truth of a specimen as HDF5.

::

    data                (scan_rows, scan_cols, frame_rows, frame_cols)  frames; in recordings only
    truth/label         (scan_rows, scan_cols) int16         component with the largest share
    truth/weights       (n_components, scan_rows, scan_cols) share of each component
    truth/origin        (scan_rows, scan_cols, 2)            undiffracted beam, (row, column) in pixels
    truth/flux          (scan_rows, scan_cols)               beam current over its mean
    truth/thickness_A   (scan_rows, scan_cols)               thickness in Å
    truth/strain        (scan_rows, scan_cols, 2, 2)         real-space strain of the component in `label`,
                                                             (row, column); 0 where that is no crystal
    truth/direct_beam   (scan_rows, scan_cols)               fraction of the beam in the direct disk
    truth/probe         (frame_rows, frame_cols)             expected vacuum frame, for one electron
    truth/disks/        frame_offsets (n_positions + 1,), then per disk
                        y, x, intensity, comp, h, k, l
    truth/hot_pixels, truth/dead_pixels  (n, 2)              (row, column)

Rows of frame i are ``frame_offsets[i]:frame_offsets[i + 1]``. Positions are pixels (y: row, x: column), the
centre of the first pixel is at 0. Expected electrons of a disk are ``dose * flux * intensity``. The direct
beam is one row with h = k = l = 0 per position; a spot of the polycrystal has one hkl of its ring. Listed are
the disks whose centre is on the frame and whose intensity is at least `FAINTEST`; speckles of amorphous halos
are not.

Attributes of the file: ``components`` (JSON), ``dose``, ``disk_radius_px``, ``edge_width_px``,
``dq_per_px_invA``, ``ellipse_e`` (long minus short axis over their mean), ``ellipse_theta_deg``,
``ellipse_matrix`` (from ideal to measured pixel offsets), ``energy_eV``, ``seed``, ``kind`` and the whole
``config`` (JSON).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from numpy.typing import NDArray

from livebragg.errors import RecordingError
from livebragg_simulators.specimen.regions import Family
from livebragg_simulators.specimen.scatter import SPECKLE

if TYPE_CHECKING:
    from livebragg_simulators.specimen.scene import Progress, Specimen

FAINTEST = 1.5e-5
"""Least fraction of the beam in a listed disk."""

_STEP = 1024


def write_truth(specimen: Specimen, path: Path) -> None:
    """Write the truth alone."""
    with _create(path) as file:
        _write_truth(specimen, file)


def write_recording(specimen: Specimen, path: Path, *, exact: bool, progress: Progress | None) -> None:
    """Write frames and truth: one file that looks like a recorded scan and knows the answer."""
    config = specimen.config
    shape = (*config.scan_shape, *config.frame_shape)
    columns = min(8, config.scan_shape[1])
    with _create(path) as file:
        data = file.create_dataset(
            "data",
            shape,
            config.dtype,
            chunks=(1, columns, *config.frame_shape),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        for row in range(config.scan_shape[0]):
            start = row * config.scan_shape[1]
            data[row] = specimen.frames(start, start + config.scan_shape[1], exact=exact)
            if progress is not None:
                progress(start + config.scan_shape[1], config.n_positions)
        _write_truth(specimen, file)


def _create(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "w")
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be written ({error}); choose a folder that exists and may be written"
        ) from error


def _write_truth(specimen: Specimen, file: h5py.File) -> None:
    layout = specimen.layout
    truth = file.create_group("truth")
    truth["label"] = layout.label
    truth.create_dataset("weights", data=layout.weights, compression="gzip")
    truth["origin"] = layout.origin.astype(np.float32)
    truth["flux"] = layout.flux.astype(np.float32)
    truth["thickness_A"] = (10 * specimen.config.thickness_nm * layout.thickness).astype(np.float32)
    truth["strain"] = _dominant_strain(specimen)
    truth["probe"] = specimen.probe()
    truth["hot_pixels"] = specimen.hot_pixels
    truth["dead_pixels"] = specimen.dead_pixels
    _write_disks(specimen, truth)
    _write_attributes(specimen, file)


def _dominant_strain(specimen: Specimen) -> NDArray[np.float32]:
    layout = specimen.layout
    label = layout.label.ravel()
    strain = np.zeros((label.size, 2, 2), np.float32)
    for component in layout.components:
        here = np.flatnonzero(label == component.number)
        if component.family is Family.CRYSTAL:
            rr, cc, rc = specimen.scatterer.strain(component.number, here).T
            strain[here] = np.stack([rr, rc, rc, cc], axis=-1).reshape(-1, 2, 2)
    return strain.reshape(*layout.label.shape, 2, 2)


def _write_disks(specimen: Specimen, truth: h5py.Group) -> None:
    n = specimen.config.n_positions
    parts = [_disk_rows(specimen, np.arange(first, min(first + _STEP, n))) for first in range(0, n, _STEP)]
    disks = truth.create_group("disks")
    counts = np.concatenate([part["count"] for part in parts])
    disks["frame_offsets"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    for name in ("y", "x", "intensity", "comp", "h", "k", "l"):
        column = np.concatenate([part[name] for part in parts])
        disks.create_dataset(name, data=column, compression="gzip")
    truth["direct_beam"] = np.concatenate([part["direct"] for part in parts]).reshape(specimen.config.scan_shape)


def _disk_rows(specimen: Specimen, positions: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
    """Columns of the disk table for some positions, the direct beam first in each position."""
    disks, direct, _ = specimen.scatterer.scatter(positions)
    bounds = np.array(specimen.config.frame_shape) - 0.5
    listed = ((disks.place >= -0.5) & (disks.place < bounds)).all(axis=1)
    listed &= (disks.intensity >= FAINTEST) & (disks.component != SPECKLE)
    position = np.concatenate([np.arange(len(positions)), disks.position[listed]])
    order = np.argsort(position, kind="stable")
    origin = specimen.layout.origin.reshape(-1, 2)[positions]
    place = np.concatenate([origin, disks.place[listed]])[order]
    label = specimen.layout.label.ravel()[positions]
    hkl = np.concatenate([np.zeros((len(positions), 3), np.int16), disks.hkl[listed]])[order]
    return {
        "count": np.bincount(position, minlength=len(positions)),
        "y": place[:, 0].astype(np.float32),
        "x": place[:, 1].astype(np.float32),
        "intensity": np.concatenate([direct, disks.intensity[listed]])[order].astype(np.float32),
        "comp": np.concatenate([label, disks.component[listed]])[order].astype(np.int16),
        "h": hkl[:, 0],
        "k": hkl[:, 1],
        "l": hkl[:, 2],
        "direct": direct.astype(np.float32),
    }


def _write_attributes(specimen: Specimen, file: h5py.File) -> None:
    config = specimen.config
    file.attrs["kind"] = "livebragg synthetic specimen"
    file.attrs["components"] = json.dumps(
        [
            {
                "id": c.number,
                "name": c.name,
                "family": str(c.family),
                "phase": c.phase,
                "zone": c.kind.partition("-")[2],
                "phi": c.rotation_deg,
                "disordered": c.disordered,
            }
            for c in specimen.layout.components
        ]
    )
    file.attrs["dose"] = config.electrons_per_frame
    file.attrs["disk_radius_px"] = config.probe_radius
    file.attrs["edge_width_px"] = config.edge_width
    file.attrs["dq_per_px_invA"] = config.q_pixel_size_inv_angstrom
    file.attrs["ellipse_e"] = 2 * (config.ellipse_ratio - 1) / (config.ellipse_ratio + 1)
    file.attrs["ellipse_theta_deg"] = config.ellipse_angle_deg
    file.attrs["ellipse_matrix"] = specimen.scatterer.distortion
    file.attrs["energy_eV"] = 1e3 * config.beam_energy_kev
    file.attrs["seed"] = config.seed
    file.attrs["config"] = json.dumps(asdict(config))
