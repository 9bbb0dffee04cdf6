"""Whether the parts of a results file fit together: a file may have been damaged, or written by anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.detect.bad_pixels import bad_pixel_mask
from livebragg.errors import LiveBraggError, ResultsError
from livebragg.model import unpack_mask
from livebragg.storage.results_reader import Results


def check_shapes(results: Results) -> None:
    """Raise `ResultsError` unless the maps of a finished file have the shapes that belong together."""
    if results.final is None:
        return
    final, snapshot = results.final, results.final.snapshot
    shape, n = snapshot.labels.shape, snapshot.class_ids.size
    wanted: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "classes/labels": (shape, results.acquisition.scan_shape or shape),
        "classes/confidence": (snapshot.confidence.shape, shape),
        "classes/shares": (snapshot.shares.shape, (n, *shape)),
        "classes/weights": (snapshot.weights.shape, (n, *shape)),
        "classes/families": ((len(snapshot.class_families),), (n,)),
        "classes/names": ((len(final.class_names),), (n,)),
        "classes/positions": (snapshot.class_positions.shape, (n,)),
        "calibration/origin": (snapshot.origin.shape, (*shape, 2)),
        "images/n_disks": (snapshot.n_disks.shape, shape),
        "images/bragg_intensity": (snapshot.bragg_intensity.shape, shape),
        **{f"images/virtual/{k}": (v.shape, shape) for k, v in snapshot.virtual_images.items()},
    }
    if final.features is not None:
        rows = shape[0] * shape[1]
        wanted["features"] = (final.features.indptr.shape, (rows + 1,))
    for name, (found, expected) in wanted.items():
        if found != expected:
            raise ResultsError(
                f"{results.path} is damaged: {name} has shape {found}, expected {expected}; use a copy of it"
            )


def usable_pixels(results: Results) -> NDArray[np.bool_]:
    """False at pixels that were not used, as far as the file says, shape frame_shape.

    Raises
    ------
    ResultsError
        It says nothing that can be read.
    """
    acquisition = results.acquisition
    listed = results.parameters.get("detection", {}).get("bad_pixels", ())
    try:
        bad = unpack_mask(acquisition.bad_pixels, acquisition.frame_shape)
        also = bad_pixel_mask(tuple((row, col) for row, col in listed), acquisition.frame_shape)
    except (LiveBraggError, TypeError, ValueError) as error:
        raise ResultsError(f"{results.path} is damaged: its bad pixels cannot be read ({error})") from error
    return ~(bad if also is None else bad | also)
