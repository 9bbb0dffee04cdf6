"""A pipeline without a detector: the real feed and control protocol over TCP, with a synthetic scan that grows.

Run it by hand to look at the page: ``python tests/dashboards/fake_pipeline.py --help``.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from fake_acts import FakeActs
from fake_answers import EXPLORING, explore
from fake_scene import BINS_PER_PIXEL, DISK_RADIUS, Scene

from livebragg.model import Acquisition, ProbeShape, ScanMetadata
from livebragg.wire import sockets
from livebragg.wire.codec import decode, encode, topic_of
from livebragg.wire.messages import (
    ClassMaps,
    ClassPatterns,
    ClassProfiles,
    FrameReply,
    FrameRequest,
    LatestFrame,
    PipelineStatus,
    Refused,
    VectorMap,
    VirtualImageSet,
)

ANY_PORT = "tcp://127.0.0.1:*"


EMPTY = 99
"""Id of a class that has lost all its positions."""


class FakePipeline:
    """Publishes like the analyst does; everything may be changed while it runs.

    Parameters
    ----------
    scene : Scene
    rate_hz : float
        Positions per second.
    interval_s : float
        Seconds between two publications.
    start : int
        Positions seen at the beginning.
    feed, control : str
        Endpoints to bind.
    serial : int
        Number of the acquisition; 0 waits for none.
    """

    def __init__(
        self,
        scene: Scene | None = None,
        *,
        rate_hz: float = 200.0,
        interval_s: float = 0.25,
        start: int = 0,
        feed: str = ANY_PORT,
        control: str = ANY_PORT,
        serial: int = 1,
        name: str = "oxide_particle_017",
    ) -> None:
        self.scene = scene or Scene()
        self.rate_hz, self.interval_s, self.serial, self.name = rate_hz, interval_s, serial, name
        self.counters: dict[str, float] = {}
        self.notices = ["origin fit: 3 positions were left out (direct beam not found)"]
        self.reasons, self.light = ["all is well"], "green"
        self.class_names = [c.name for c in self.scene.classes]
        self.acts = FakeActs(self.class_names)
        self.seen = float(start)
        self.requests: list[int] = []
        self.explored: list[Any] = []
        self.frames_left = 0
        """Positions before this one have no frame any more."""
        self.answering = True
        self.stalled = False
        self.phase = ""
        """What the status says it does; by itself when empty."""
        self._newest_at = time.time()
        self._revision = 0
        self._extra: list[list[bytes]] = []
        self._images = self.scene.images()
        self._patterns = np.stack([self.scene.mean_frame(i) for i in range(len(self.scene.classes))])
        self._radii, self._profiles = self.scene.profiles(self._patterns)
        self._ctx: Any = sockets.Context()
        self._feed = sockets.open_socket(self._ctx, sockets.XPUB, bind=feed, send_high_water=24)
        self._control = sockets.open_socket(self._ctx, sockets.ROUTER, bind=control)
        self.feed, self.control = sockets.bound_endpoint(self._feed), sockets.bound_endpoint(self._control)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FakePipeline:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._ctx.destroy(linger=0)

    def inject(self, parts: list[bytes]) -> None:
        """Publish anything at all."""
        self._extra.append(parts)

    def new_acquisition(self, name: str) -> None:
        """Begin the next scan."""
        self.seen, self.name = 0.0, name
        self.serial += 1

    # ---------------------------------------------------------------------------------------- the thread
    def _run(self) -> None:
        poller = sockets.Poller()
        poller.add(self._feed)
        poller.add(self._control)
        last = due = time.monotonic()
        while not self._stop.is_set():
            poller.wait(max(0.0, min(0.02, due - time.monotonic())))
            while sockets.receive_parts(self._feed) is not None:
                pass
            self._answer()
            now = time.monotonic()
            if now >= due:
                total = self.scene.labels.size
                if not self.stalled:
                    self.seen = min(total, self.seen + self.rate_hz * (now - last)) if self.serial else 0.0
                    self._newest_at = time.time() - 0.08
                last, due = now, max(now, due + self.interval_s)
                self._publish()

    def _publish(self) -> None:
        self._revision += 1
        for message in self.messages():
            parts = [topic_of(type(message)), *(bytes(p) for p in encode(message))]
            sockets.send_parts(self._feed, parts, wait=False)
        while self._extra:
            sockets.send_parts(self._feed, self._extra.pop(0), wait=False)

    def messages(self) -> list[Any]:
        """Everything the analyst would publish now."""
        maps = self._maps() if self.serial and self.seen >= 1 else []
        return [*maps, self._status()]

    def _stamp(self) -> dict[str, Any]:
        now = time.time()
        return {
            "serial": self.serial,
            "revision": self._revision,
            "published_at": now,
            "newest_sent_at": self._newest_at,
        }

    def _status(self) -> PipelineStatus:
        scene, total, seen = self.scene, self.scene.labels.size, int(self.seen)
        done = seen >= total
        rate = 0.0 if done else self.rate_hz * (1 + 0.04 * np.sin(time.time()))
        counters = {
            "frames_received": float(min(total, seen + 40)), "frames_expected": float(total),
            "frames_analysed": float(seen), "rate_received_hz": rate, "rate_analysed_hz": rate * 0.99,
            "backlog_frames": 0.0 if done else 40.0 + 8 * np.sin(3 * time.time()), "log_bytes": 2e8,
            "log_capacity_bytes": 2e9, "frames_dropped": 0.0, "messages_malformed": 0.0, "worker_restarts": 0.0,
            "lag_p50_s": 0.11 + 0.02 * np.sin(time.time() / 3), "lag_p99_s": 0.31 + 0.05 * np.cos(time.time() / 2),
            "disks_per_frame": 17.3 + np.sin(time.time() / 5), "n_peaks": 20.0 + min(60, seen // 40),
            "n_classes": float(len(np.unique(scene.labels.reshape(-1)[: max(1, seen)]))),
            "origin_model_error_px": 0.031, "nmf_residual": 0.08 + 0.3 * np.exp(-seen / 400),
        }  # fmt: skip
        acquisition = Acquisition(
            acquisition_id=self.name, scan_shape=scene.scan_shape, frame_shape=scene.frame_shape, dtype="uint16",
            metadata=ScanMetadata(beam_energy_kev=300.0, scan_step_nm=2.5, q_pixel_size_inv_angstrom=0.0213,
                                  convergence_angle_mrad=1.7, sample_name="LNMO cathode", detector_name="Merlin"),
        )  # fmt: skip
        return PipelineStatus(
            revision=self._revision, published_at=time.time(), phase=self._phase(done), light=self.light,
            reasons=self.reasons, serial=self.serial, acquisition=acquisition if self.serial else None,
            scan_shape=scene.scan_shape if self.serial else None,
            probe=ProbeShape(radius=DISK_RADIUS, edge_width=0.7, center=scene.center) if self.serial else None,
            positions_seen=seen, newest_sent_at=self._newest_at,
            counters=(counters if self.serial else {}) | self.counters,
            workers=[{"name": "worker-0", "state": "busy"}, {"name": "worker-1", "state": "busy"}],
            calibration=self.acts.calibration if self.serial else None, settings=self.acts.settings,
            limits=self.acts.limits, marks=self.acts.marks,
            notices=self.notices, results_path="/data/2026-11-23/oxide_particle_017.h5",
        )  # fmt: skip

    def _phase(self, done: bool) -> str:
        if self.phase or self.stalled:
            return self.phase or "stalled"
        return "waiting" if not self.serial else ("complete" if done else "running")

    def _maps(self) -> list[Any]:
        scene, seen = self.scene, int(self.seen)
        hidden = np.arange(scene.labels.size).reshape(scene.scan_shape) >= seen
        labels = np.where(hidden, -1, scene.labels).astype(np.int16)
        counts = np.bincount(labels[labels >= 0], minlength=len(scene.classes))
        ids = np.flatnonzero(counts)
        images = {k: np.where(hidden, np.nan, v).astype(np.float32) for k, v in self._images.items()}
        peaks = np.concatenate([k.disks[1:] for k in scene.classes if k.family == "crystal"])
        peaks = peaks[peaks[:, 2] > 18][: 20 + seen // 40]
        vectors = scene.vector_map(counts)
        stamp, newest = self._stamp(), seen - 1
        qx, qy, intensity = scene.disks(newest)
        return [
            ClassMaps(
                **stamp, labels=labels, confidence=np.where(hidden, 0, scene.confidence).astype(np.float32),
                class_ids=[*range(len(counts)), EMPTY], class_names=[*self.class_names, "Emptied"],
                class_families=[*(kind.family for kind in scene.classes), "crystal"],
                class_counts=[*(int(n) for n in counts), 0],
                second=np.full(labels.shape, -1, np.int16), parts=np.zeros((2, *labels.shape), np.uint8),
                locked=self.acts.locked,
            ),
            VirtualImageSet(**stamp, names=list(images), images=np.stack(list(images.values()))),
            VectorMap(
                **stamp, map=vectors, bins_per_pixel=BINS_PER_PIXEL, origin_row=float(vectors.shape[0] // 2),
                origin_col=float(vectors.shape[1] // 2), peak_ids=np.arange(len(peaks)),
                peak_qx=peaks[:, 0].astype(np.float32), peak_qy=peaks[:, 1].astype(np.float32),
                peak_support=np.ones(len(peaks), np.float32),
            ),
            ClassPatterns(
                **stamp, class_ids=[int(i) for i in ids], patterns=self._patterns[ids],
                n_frames=[int(counts[i]) for i in ids],
            ),
            ClassProfiles(
                **stamp, class_ids=[int(i) for i in ids], radii=self._radii, profiles=self._profiles[ids]
            ),
            LatestFrame(
                **stamp, scan_index=newest, frame=scene.frame(newest), qx=qx, qy=qy, intensity=intensity
            ),
        ]  # fmt: skip

    def _answer(self) -> None:
        while (parts := sockets.receive_parts(self._control)) is not None:
            request = decode(parts[2:])
            reply = self._reply(request)
            if self.answering and reply is not None:
                sockets.send(self._control, reply, prefix=(bytes(parts[0]), b""))

    def _reply(self, request: Any) -> object:
        if isinstance(request, FrameRequest):
            return self._frame_reply(request)
        if not isinstance(request, EXPLORING):
            return self.acts.reply(request)
        self.explored.append(request)
        return explore(request, self.scene, int(self.seen), self.serial, BINS_PER_PIXEL)

    def _frame_reply(self, request: FrameRequest) -> object:
        self.requests.append(request.scan_index)
        if request.scan_index >= self.seen:
            return Refused(reason="this position was not scanned yet")
        if request.scan_index < self.frames_left:
            return Refused(reason="its frame has left the frame log")
        qx, qy, intensity = self.scene.disks(request.scan_index)
        return FrameReply(
            serial=self.serial, scan_index=request.scan_index, qx=qx, qy=qy, intensity=intensity,
            label=int(self.scene.labels.reshape(-1)[request.scan_index]),
            frame=self.scene.frame(request.scan_index), origin=np.array(self.scene.center, np.float32),
        )  # fmt: skip


def main() -> None:
    """Publish until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feed", default="tcp://127.0.0.1:7551")
    parser.add_argument("--control", default="tcp://127.0.0.1:7552")
    parser.add_argument("--scan", type=int, nargs=2, default=(64, 64), metavar=("ROWS", "COLS"))
    parser.add_argument("--frame", type=int, nargs=2, default=(128, 128), metavar=("ROWS", "COLS"))
    parser.add_argument("--rate", type=float, default=40.0, help="positions per second")
    parser.add_argument("--interval", type=float, default=0.25, help="seconds between publications")
    parser.add_argument("--start", type=int, default=0, help="positions seen already")
    parser.add_argument("--serial", type=int, default=1, help="0 waits for a stream")
    parser.add_argument("--grains", type=int, default=6)
    args = parser.parse_args()
    scene = Scene(tuple(args.scan), tuple(args.frame), args.grains)
    with FakePipeline(
        scene, rate_hz=args.rate, interval_s=args.interval, start=args.start, feed=args.feed,
        control=args.control, serial=args.serial,
    ):  # fmt: skip
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
