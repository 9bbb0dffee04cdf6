"""Experimental frames that lie beside the repository, by name.

The folder is an argument of the scripts; it holds ``real/<set>/data.h5`` as its own descriptions say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.detect import ProbeTemplate, measure_probe
from livebragg.errors import ProbeError


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSet:
    """Frames of one origin."""

    name: str
    title: str
    file: str
    """Below the folder of the data."""
    dataset: str = "data"
    probe: tuple[float, float] | None = None
    """Radius and edge width where the frames themselves cannot tell."""
    mask: Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None = None
    """Bad pixels, from the first frame."""
    has_lattice: bool = False
    """One crystal, with Friedel pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Frames and what is needed to search them."""

    frames: NDArray[np.generic]
    probe: ProbeTemplate
    probe_note: str
    bad_pixels: NDArray[np.bool_] | None


def beam_stop(frame: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The stop and what is outside the aperture: the large dark areas of a smoothed frame, with a margin."""
    smooth = ndimage.median_filter(frame, 5)
    dark = _areas(smooth < 0.12 * np.percentile(smooth, 90), 0.002, np.inf)
    # A hole in the stop is the stop's; the hole in the aperture's surroundings is the picture.
    holes = _areas(ndimage.binary_fill_holes(dark) & ~dark, 0.0, 0.02)
    return np.asarray(ndimage.binary_dilation(dark | holes, iterations=6))


def _areas(mask: NDArray[np.bool_], least: float, most: float) -> NDArray[np.bool_]:
    """Connected areas of a size between two parts of the frame."""
    labels, n = ndimage.label(mask)
    sizes = ndimage.sum_labels(mask, labels, np.arange(1, n + 1)) / mask.size
    return np.isin(labels, 1 + np.flatnonzero((sizes > least) & (sizes <= most)))


SETS = (
    FrameSet(
        name="nbd512",
        title="Nanobeam diffraction, CCD, 512 px",
        file="real/nbd_tecnai_ccd/data.h5",
        has_lattice=True,
    ),
    FrameSet(
        name="dd020",
        title="Nanobeam diffraction, CCD, 256 px",
        file="real/nbd_tecnai_ccd/data.h5",
        dataset="dd020",
        has_lattice=True,
    ),
    FrameSet(
        name="medipix_rings",
        title="Medipix, polycrystal",
        file="real/merlin_polycrystal_rings_2x2/data.h5",
    ),
    FrameSet(name="medipix_film", title="Medipix, thin film, no disks", file="real/merlin_mib_cl30/data.h5"),
    FrameSet(
        name="blo",
        title="8 bit, precession spots, clipped beam",
        file="real/nanomegas_blo_2x3/data.h5",
        has_lattice=True,
    ),
    FrameSet(
        name="gold_rings",
        title="Gold standard, fine polycrystal",
        file="real/reference_au_moo3/data.h5",
    ),
    FrameSet(
        name="moo3",
        title="MoO3 standard, spots",
        file="real/reference_au_moo3/data.h5",
        dataset="moo3",
        has_lattice=True,
    ),
    FrameSet(
        name="glass256",
        title="Metallic glass, sum, beam stop",
        file="real/glass_rings_beamstop/data.h5",
        probe=(3.0, 0.8),
        mask=beam_stop,
    ),
    FrameSet(
        name="glass512",
        title="Amorphous film, sum, beam stop",
        file="real/glass_rings_beamstop/data.h5",
        dataset="amorphous512",
        probe=(4.0, 0.8),
        mask=beam_stop,
    ),
    FrameSet(
        name="blo_set",
        title="8 bit, precession spots, probe configured",
        file="real/nanomegas_blo_2x3/data.h5",
        probe=(2.0, 0.9),
        has_lattice=True,
    ),
    FrameSet(
        name="moo3_set",
        title="MoO3 standard, probe configured",
        file="real/reference_au_moo3/data.h5",
        dataset="moo3",
        probe=(2.5, 1.2),
        has_lattice=True,
    ),
    FrameSet(
        name="thirdparty",
        title="Third party's simulation, 64 px",
        file="real/thirdparty_simulated_32x32/scan_32.npz",
    ),
    FrameSet(name="sim_gold", title="Simulated gold, 20 000 electrons", file="sim/au_dose20000_seed1.h5"),
    FrameSet(
        name="sim_gold_low",
        title="Simulated gold, 2000 electrons, hot pixels",
        file="sim/au_dose2000_defects_seed1.h5",
    ),
    FrameSet(name="sim_amorphous", title="Simulated amorphous", file="sim/amor_dose20000_seed1.h5"),
    FrameSet(name="oxide", title="Semi-real oxide", file="semireal/lmo_dose20000.h5"),
    FrameSet(name="silver", title="Semi-real silver, precession", file="semireal/ag_dose8000.h5"),
)


def available(folder: Path, names: list[str] | None = None) -> Iterator[FrameSet]:
    """The sets whose file exists, all or those named."""
    for item in SETS:
        if (folder / item.file).exists() and (not names or item.name in names):
            yield item


def load(item: FrameSet, folder: Path, most: int = 16) -> Loaded:
    """Read at most `most` frames, evenly spread over the set, and measure the probe on them."""
    frames = _read(folder / item.file, item.dataset, most)
    mask = None if item.mask is None else item.mask(frames[0].astype(np.float64))
    if item.probe is not None:
        return Loaded(frames=frames, probe=ProbeTemplate.disk(*item.probe), probe_note="given", bad_pixels=mask)
    try:
        shape = measure_probe(frames)
    except ProbeError as error:
        probe = ProbeTemplate.disk(3.0, 0.8)
        return Loaded(frames=frames, probe=probe, probe_note=f"guessed: {error}", bad_pixels=mask)
    return Loaded(frames=frames, probe=ProbeTemplate.from_shape(shape), probe_note="measured", bad_pixels=mask)


def _read(path: Path, dataset: str, most: int) -> NDArray[np.generic]:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            data = archive[dataset]
        data = data.reshape(-1, *data.shape[-2:])
        return np.asarray(data[_spread(len(data), most)])
    with h5py.File(path) as file:
        data = file[dataset]
        grid = data.shape[:-2]
        chosen = _spread(int(np.prod(grid)), most)
        return np.stack([data[np.unravel_index(i, grid)] if grid else data[()] for i in chosen])


def _spread(n: int, most: int) -> NDArray[np.int64]:
    return (
        np.unique(np.linspace(0, n - 1, min(most, n) + 2)[1:-1].round().astype(np.int64))
        if n > most
        else np.arange(n)
    )
