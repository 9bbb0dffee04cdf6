"""py4DSTEM itself opens a results file.

py4DSTEM pins an old NumPy, so it lives in an environment of its own; name its interpreter in
``LIVEBRAGG_PY4DSTEM_PYTHON`` to run this test (docs/results_file.md says how to make one).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livebragg.model import VIRTUAL_IMAGES, Acquisition, AnalysisSnapshot, DetectedBatch, ProbeShape
from livebragg.storage.results import ResultsWriter

PYTHON = os.environ.get("LIVEBRAGG_PY4DSTEM_PYTHON", "")

pytestmark = pytest.mark.skipif(not PYTHON, reason="LIVEBRAGG_PY4DSTEM_PYTHON names no interpreter")

_LOOK = """
import json, sys
import numpy as np
import py4DSTEM
root = py4DSTEM.read(sys.argv[1])
vectors = root.tree("braggvectors")
rows, cols = vectors.shape
pick = lambda source: [[float(v) for v in getattr(source[2, 3], name)] for name in ("qx", "qy")]
histogram = vectors.histogram(mode="cal", sampling=2)
json.dump({
    "class": type(vectors).__name__,
    "shape": [int(n) for n in vectors.shape],
    "peaks": int(sum(vectors.raw[r, c].qx.size for r in range(rows) for c in range(cols))),
    "calstate": vectors.calstate,
    "raw": pick(vectors.raw), "cal": pick(vectors.cal),
    "origin": [float(v) for v in vectors.calibration.get_origin(2, 3)],
    "q_pixel": [vectors.calibration.get_Q_pixel_size(), vectors.calibration.get_Q_pixel_units()],
    "classes": {name: type(node).__name__ for name, node in root._branch._dict.items()},
    "bright_field": root.tree("bright_field").data.tolist(),
    "class_1": root.tree("class_weights").get_slice("class 1").data.tolist(),
    "labels": root.tree("class_labels").data.tolist(),
    "histogram": float(histogram.data.sum()),
}, open(sys.argv[2], "w"))
"""


@pytest.fixture
def seen(
    tmp_path: Path,
    acquisition: Acquisition,
    batches: Callable[..., Iterator[DetectedBatch]],
    snapshot: Callable[..., AnalysisSnapshot],
) -> dict[str, Any]:
    """What py4DSTEM sees in a results file."""
    writer = ResultsWriter(tmp_path / "scan.h5", acquisition, (6, 9), (32, 24), {})
    for batch in batches():
        writer.append(batch)
    patterns = np.ones((3, 32, 24), np.float32)
    writer.finalize(snapshot(), probe=ProbeShape(radius=3, edge_width=0.5, center=(15, 12)), patterns=patterns)
    command = [PYTHON, "-c", _LOOK, str(tmp_path / "scan.h5"), str(tmp_path / "seen.json")]
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr
    content: dict[str, Any] = json.loads((tmp_path / "seen.json").read_text())
    return content


def test_py4dstem_reads_vectors_calibration_and_images(
    seen: dict[str, Any],
    batches: Callable[..., Iterator[DetectedBatch]],
    snapshot: Callable[..., AnalysisSnapshot],
) -> None:
    written, maps = list(batches()), snapshot()
    assert (seen["class"], seen["shape"]) == ("BraggVectors", [6, 9])
    assert seen["peaks"] == sum(len(batch.peaks) for batch in written)
    assert seen["calstate"] == {"center": True, "ellipse": False, "pixel": True, "rotate": False}
    assert seen["q_pixel"] == [0.02, "A^-1"]
    position = 2 * 9 + 3
    peaks = written[position // 8].peaks.frame(position % 8)
    np.testing.assert_array_equal(seen["raw"], [peaks.qx, peaks.qy])
    np.testing.assert_allclose(seen["origin"], maps.origin[2, 3], rtol=1e-6)
    expected = (np.array([peaks.qx, peaks.qy], np.float64) - maps.origin[2, 3][:, None]) * 0.02
    np.testing.assert_allclose(seen["cal"], expected, atol=1e-9)
    kinds = seen["classes"]
    assert {kinds[name] for name in VIRTUAL_IMAGES} == {"VirtualImage"}
    assert kinds["bragg_vector_map"] == "BraggVectorMap"
    assert kinds["class_weights"] == kinds["class_labels"] == "RealSlice"
    assert kinds["mean_pattern"] == kinds["class_patterns"] == "DiffractionSlice"
    np.testing.assert_allclose(seen["bright_field"], maps.virtual_images["bright_field"], rtol=1e-6)
    np.testing.assert_allclose(seen["class_1"], maps.weights[1], rtol=1e-6)
    np.testing.assert_array_equal(seen["labels"], maps.labels)
    assert seen["histogram"] > 0
