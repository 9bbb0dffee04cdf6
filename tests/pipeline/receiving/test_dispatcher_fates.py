"""Every frame has exactly one fate, whatever happens to workers, batches and the log."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch_stories import (
    PROBE,
    FakePipeline,
    batch,
    end,
    start,
)
from livebragg.config.detection import ProbeConfig
from livebragg.config.pipeline import DispatchConfig
from livebragg.errors import WireError
from livebragg.wire.messages import (
    AcquisitionDrained,
    FrameBatch,
)


@pytest.mark.parametrize("known_probe", [True, False], ids=["probe known", "probe measured"])
@pytest.mark.parametrize("drop", [False, True], ids=["block", "drop"])
@pytest.mark.parametrize("per_position", [1, 3])
@pytest.mark.parametrize("seed", range(12))
def test_every_frame_has_exactly_one_fate(
    tmp_path: Path, seed: int, per_position: int, drop: bool, known_probe: bool
) -> None:
    story = _Story(tmp_path, random.Random(seed), per_position, drop=drop, known_probe=known_probe)
    story.run()
    story.check()


class _Story:
    """Random acquisitions, and everything that can happen to them, on one clock."""

    def __init__(
        self, folder: Path, rng: random.Random, per_position: int, *, drop: bool, known_probe: bool
    ) -> None:
        self.per_position = per_position
        config = DispatchConfig(
            batch_frames=rng.choice([1, 8, 20]), flush_ms=20.0, max_attempts=rng.choice([1, 3])
        )
        if per_position > 1:  # jobs given up whose results were on the way are the subject of the other stories
            config = replace(config, max_attempts=100)
        probes = {} if known_probe else {"probe": ProbeConfig(frames=24)}
        self.pipe = FakePipeline(folder, config=config, drop=drop, log_bytes=8 << 12, **probes)
        self.rng = rng
        self.drop = drop
        self.offered: dict[int, Counter[str]] = {}
        self.pid = 10

    def run(self) -> None:
        for name in self.rng.choices(["a", "b", "c"], k=3):
            rows = self.rng.choice([5, 20, None])
            flyback = 0 if self.per_position == 1 else 2
            self.pipe.send(start(rows, 10, name, frames_per_position=self.per_position, flyback_frames=flyback))
            self._frames(name)
            if self.rng.random() < 0.6:
                self.pipe.send(end(self.pipe.streams[-1].newest_frame + 1 + self.rng.choice([0, 0, 3]), name))
        if self.rng.random() < 0.3:
            self.pipe.stop(immediately=self.rng.random() < 0.5)
        elif self.pipe.intake.stream is not None and not self.pipe.intake.stream.ended:
            self.pipe.stop()
        self.pipe.finish_work()

    def _frames(self, name: str) -> None:
        total = self.rng.choice([30, 60, 210])
        batches, first = [], 0
        while first < total:
            n = self.rng.randint(1, 9)
            batches.append(batch(first, n, name))
            first += n
        batches = [b for b in batches if self.rng.random() > 0.05]  # gaps
        batches += self.rng.sample(batches, min(4, len(batches)))  # duplicates
        batches += [batch(self.rng.randrange(total), self.rng.randint(1, 20), name) for _ in range(4)]  # overlaps
        for k in range(len(batches) - 1):  # out of order
            if self.rng.random() < 0.2:
                batches[k], batches[k + 1] = batches[k + 1], batches[k]
        for message in batches:
            self._send(message)
            self._something_happens()

    def _send(self, message: FrameBatch) -> None:
        for attempt in range(3000):
            try:
                if self.pipe.send(message):
                    break
            except WireError:
                break
            assert not self.drop, "with drop, nothing waits"
            self._something_happens()
            if attempt > 50 and not self.pipe.workers:
                self._new_worker()
        else:
            raise AssertionError("the sender was held back for ever")
        self.offered.setdefault(self.pipe.intake.serial, Counter())["frames"] += message.n_frames

    def _something_happens(self) -> None:
        pipe, chance = self.pipe, self.rng.random()
        names = list(pipe.workers)
        if chance < 0.05 or (chance < 0.3 and not names):
            self._new_worker()
        elif chance < 0.09 and names:
            pipe.kill(self.rng.choice(names))
        elif chance < 0.5 and names:
            name = self.rng.choice(names)
            pipe.work(name, probe=None if self.rng.random() < 0.5 else PROBE)
            if self.rng.random() < 0.8:
                pipe.say_ready(name)
        elif chance < 0.7:
            pipe.analyse()
        elif chance < 0.9:
            pipe.acknowledge()
        elif chance < 0.95:
            pipe.tick(6.0)
            for name in pipe.dispatcher.hung_workers(pipe.now):
                pipe.kill(name)
        else:
            pipe.tick(0.03)

    def _new_worker(self) -> None:
        self.pid += 1
        self.pipe.add_worker(self.rng.choice(["w0", "w1"]), pid=self.pid, credits=self.rng.randint(1, 3))

    def check(self) -> None:
        pipe = self.pipe
        assert sorted(d.serial for d in pipe.told(AcquisitionDrained)) == [1, 2, 3]
        assert pipe.unreleased() == 0, "every segment can be dropped"
        assert pipe.dispatcher.jobs.in_flight == pipe.dispatcher.jobs.backlog_frames == 0
        for stream in pipe.streams:
            counts, accepted = stream.counters, pipe.frames_accepted(stream.serial)
            assert len(set(accepted)) == len(accepted), "no frame twice"
            assert all(n in stream.received for n in accepted)
            assert counts["frames_received"] == len(stream.received)
            assert counts["frames_received"] == len(accepted) + counts["frames_failed"] + counts["frames_skipped"]
            assert min(counts.values(), default=0) >= 0
            if not self.drop:
                assert counts["frames_dropped"] == 0
            fates = ("frames_received", "frames_duplicate", "frames_dropped", "frames_out_of_range")
            assert self.offered[stream.serial]["frames"] == sum(counts[fate] for fate in fates)
