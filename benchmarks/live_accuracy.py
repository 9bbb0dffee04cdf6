"""Class maps against the truth while a scan arrives, through the real processes.

::

    python benchmarks/live_accuracy.py SCAN.h5 [--rate 400]

``SCAN.h5`` holds a 4-D dataset and ``truth/label`` (a recording of `livebragg-simulate record`, or a simulated
set). Prints the adjusted Rand index of the published class map over the positions seen at 25, 50, 75 and 100 %
of the scan, of the final one, and of the offline batch NMF (scikit-learn) on the features in the results file,
with the number of crystalline classes given.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.decomposition import NMF
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import normalize

from livebragg.cli.demo import free_ports
from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.pipeline.supervisor import Supervisor
from livebragg.wire import sockets
from livebragg.wire.messages import ClassMaps
from pipeline import wait_for_workers

MIN_TRACKED = 3


def main() -> None:
    """Print one line per moment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rate", type=float, default=400.0, metavar="HZ")
    args = parser.parse_args()
    with h5py.File(args.file) as file:
        truth = file["truth/label"][:].ravel()
    with tempfile.TemporaryDirectory() as folder:
        moments, final = stream(args.file, args.rate, Path(folder), truth)
        (results,) = Path(folder).glob("*.h5")
        batch = batch_oracle(results, truth)
    print(f"{args.file.name}: {np.unique(truth).size} classes in truth")
    for share, score, classes in moments:
        print(f"  {share:5.0%} seen: ARI {score:.4f}, {classes} classes")
    print(f"  final:      ARI {final[0]:.4f}, {final[1]} classes")
    print(f"  batch NMF, number of classes given: ARI {batch:.4f}")


def stream(
    path: Path, rate: float, folder: Path, truth: NDArray[np.int64]
) -> tuple[list[tuple[float, float, int]], tuple[float, int]]:
    """Replay a scan and score the class maps as they are published."""
    source, feed, control = (f"tcp://127.0.0.1:{port}" for port in free_ports(3))
    table = {
        "stream": {"endpoint": source},
        "publish": {"feed": feed, "control": control},
        "results": {"directory": str(folder)},
        "dispatch": {"workers": 1},
    }
    moments: list[tuple[float, float, int]] = []
    wanted = [0.25, 0.5, 0.75, 1.0]
    last: ClassMaps | None = None
    with sockets.context() as ctx, Supervisor(from_table(Config, table), once=True) as supervisor:
        subscriber = sockets.open_socket(ctx, sockets.SUB, connect=feed)
        sockets.subscribe(subscriber, ClassMaps)
        wait_for_workers(supervisor, control, 1)
        command = [sys.executable, "-m", "livebragg_simulators.cli", "replay", str(path), "--rate", str(rate)]
        with subprocess.Popen(
            [*command, "--cache", "--bind", source], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ):
            while supervisor.poll():
                subscriber.poll(50)
                while (message := sockets.receive(subscriber, prefix=1)) is not None:
                    last = message
                    labels = message.labels.ravel()
                    seen = labels >= 0
                    if wanted and seen.mean() >= wanted[0] - 1e-9:
                        score = adjusted_rand_score(truth[seen], labels[seen])
                        moments.append((float(seen.mean()), score, len(message.class_ids)))
                        wanted = [share for share in wanted if share > seen.mean() + 1e-9]
    assert last is not None
    return moments, (adjusted_rand_score(truth, last.labels.ravel()), len(last.class_ids))


def batch_oracle(results: Path, truth: NDArray[np.int64]) -> float:
    """Batch NMF on the same feature rows; positions with too few features are one class of their own."""
    with h5py.File(results) as file:
        group = file["livebragg/features"]
        shape = tuple(int(n) for n in group.attrs["shape"])
        rows = csr_array((group["data"][:], group["indices"][:], group["indptr"][:]), shape=shape)
    crystalline = np.diff(rows.indptr) >= MIN_TRACKED
    labels = np.full(truth.size, -1)
    classes = [c for c in np.unique(truth) if crystalline[truth == c].mean() > 0.5]
    model = NMF(len(classes), init="nndsvda", max_iter=500, random_state=0)
    weights = model.fit_transform(normalize(rows[crystalline]).astype(np.float64))
    weights *= np.linalg.norm(model.components_, axis=1)
    labels[crystalline] = weights.argmax(axis=1)
    return float(adjusted_rand_score(truth, labels))


if __name__ == "__main__":
    main()
