"""Runs py4DSTEM's disk detection in its own environment; started by ``detection_peers.py``.

    PEER_PYTHON py4dstem_runner.py FOLDER

``FOLDER/jobs.json`` lists jobs; each names an .npz of ``frames`` and ``probe`` (a picture of the probe in the
middle of a frame) and the settings. Job ``i``'s peaks go to ``FOLDER/<i>.npz``. Needs nothing of livebragg.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import py4DSTEM
from py4DSTEM.braggvectors.diskdetection import find_Bragg_disks


def main() -> None:
    """Run every job."""
    folder = Path(sys.argv[1])
    for number, job in enumerate(json.loads((folder / "jobs.json").read_text())):
        with np.load(folder / job["input"]) as data:
            frames, probe = data["frames"].astype(np.float64), data["probe"]
        peaks, seconds = detect(frames, kernel(probe, job["kernel"]), job["settings"])
        np.savez(
            folder / f"{number}.npz",
            rows=np.concatenate([p.data["qx"] for p in peaks]),
            cols=np.concatenate([p.data["qy"] for p in peaks]),
            intensity=np.concatenate([p.data["intensity"] for p in peaks]),
            offsets=np.cumsum([0] + [len(p.data) for p in peaks]),
            seconds=seconds,
            version=py4DSTEM.__version__,
        )


def kernel(probe, settings):
    """Cross-correlation kernel of the probe, by py4DSTEM's own means."""
    settings = dict(settings)
    origin = [(n - 1) / 2 if n % 2 else n / 2 for n in probe.shape]
    return py4DSTEM.Probe(probe).get_kernel(origin=origin, bilinear=True, **settings)


def detect(frames, template, settings):
    """Peaks of every frame and the median seconds per frame."""
    find_Bragg_disks(frames[0], template, **settings)
    peaks, times = [], []
    for frame in frames:
        start = time.perf_counter()
        peaks.append(find_Bragg_disks(frame, template, **settings))
        times.append(time.perf_counter() - start)
    return peaks, float(np.median(times))


if __name__ == "__main__":
    main()
