"""The analysis of one scan: from detected disks to class maps, without sockets, clocks or files.

::

    add(batch)   vectors, measured origins, virtual images          cheap, for every batch
    refresh()    origins -> map -> peaks -> features -> NMF -> labels  a few times per second
    finish()     the same until nothing moves any more: the batch solution
    snapshot()   immutable copy of everything a reader may want
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.calibrate import pattern_origins
from livebragg.classify.turns import next_in_turn
from livebragg.config.analysis import AnalysisConfig
from livebragg.model import BraggPeaks, DetectedBatch, ProbeShape
from livebragg.model.arrays import ragged
from livebragg.pipeline.scan.asked_classes import AskedClasses
from livebragg.pipeline.scan.backfill import Backfill, Photometer
from livebragg.pipeline.scan.state import filled

_FINAL_PASSES = 3
_FINAL_ROUNDS = 10
"""Steps towards the directions of the classes at the end; a refresh takes one."""
_FINAL_VARIANTS = 3
"""How often the components are adjusted to the variants that were found, when a number of classes is asked for."""
_LEARN_AGAIN = 1.3
"""Growth of the scan after which the patterns are asked again how far measured origins can be believed."""
_LEARNED_FROM = 10_000
"""Positions from which that is learned."""
_LOOKS = 64
"""Peaks are looked for again when the scan has grown by this part of it, at the latest after half a line."""
_JUDGED = 512
"""Positions whose light is judged again per refresh, besides those with new light."""
_SMALL = 8192
"""Positions seen up to which every refresh looks at all of them."""
_WHOLE_AGAIN = 1.4
"""Growth of the scan after which one does so beyond that; the others look at a bounded number."""


class ScanAnalysis(AskedClasses):
    """Fills the state of a scan batch by batch.

    Parameters
    ----------
    scan_shape : tuple of int
        ``(scan_rows, scan_cols)``.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    probe : ProbeShape
        Direct beam: its centre until it is measured, its radius as the scale of the direct beam.
    config : AnalysisConfig
        All thresholds.
    open_ended : bool
        The number of scan rows is not known; more are accepted.
    photometer : Photometer, optional
        Measures light at tracked peaks in the frames; without it only the disks that were found count.
    background : bool
        Measure it between the refreshes, without waiting for it.
    """

    def __init__(
        self,
        scan_shape: tuple[int, int],
        frame_shape: tuple[int, int],
        probe: ProbeShape,
        config: AnalysisConfig | None = None,
        open_ended: bool = False,
        photometer: Photometer | None = None,
        background: bool = False,
    ) -> None:
        super().__init__(scan_shape, frame_shape, probe, config, open_ended)
        self._photometer = photometer if self._config.classify.forced_photometry else None
        self._background = background
        self.reset()

    def reset(self) -> None:
        """Forget the scan."""
        super().reset()
        self._backfill = Backfill(
            self._photometer, self._features, self._about_to_change, self._background, self._nmf.shown
        )
        self._judged_to = 0
        self._tracked_at = 0
        self._whole_at = 0
        self._turn = 0
        self._behind = 0
        self._learned_at = 0

    def add(self, batch: DetectedBatch) -> int:
        """Take the disks of some positions; returns how many were new.

        Positions that came before are ignored and counted. The frames' sum is taken as a whole unless nothing
        in the batch is new.

        Raises
        ------
        FrameError
            If a scan index lies outside the scan.
        """
        new = self._vectors.update(batch.scan_index, batch.peaks)
        if not new.any():
            return 0
        index = batch.scan_index[new]
        self._origin.update(index, batch.direct_beam[new])
        values = np.column_stack([batch.virtual, self._bragg_numbers(batch.peaks)])[new]
        self._images.update(index, values, batch.sum_pattern)
        self._classes.add(batch, new)
        self._finished = False
        return int(new.sum())

    def change(self, config: AnalysisConfig) -> None:
        """Use other thresholds for classes and families; the next refresh looks at everything again."""
        self._nmf.change(config.classify)
        if config.families != self._config.families:
            self._classes.change_families(config.families)
        self._config = config
        self._refreshed_at = -1

    @property
    def has_light(self) -> bool:
        """Whether light that was asked for waits for the next refresh."""
        return self._backfill.is_ready

    def refresh(self, *, hurried: bool = False) -> None:
        """Bring map, peaks, features, classes and labels up to what has been added.

        In a hurry, no light is measured. In the background none is asked for either: see `ask_for_light`.
        """
        if self._vectors.n_seen in (0, self._refreshed_at) and not self.has_light:
            return
        due = self._due()
        self._refreshed_at = self._vectors.n_seen
        changed = self._advance(due, track=self._vectors.n_seen >= self._tracked_at + self._patience)
        measured = self._measure(hurried)
        changed = np.union1d(changed, np.union1d(measured, self._judge(self._next_to_judge(measured))))
        if self._vectors.n_seen >= _LEARN_AGAIN * self._learned_at:
            self._learn_origins()
        features = self._features.view
        self._nmf.update(features, changed, self._vectors.n_seen)
        whole = due.size == self._vectors.n_seen
        self._nmf.refine(features, None if whole else due)
        self._relabel(changed, None if whole else np.union1d(due, changed))

    def ask_for_light(self) -> None:
        """Let light be measured in the background where it is due; a later refresh takes it."""
        if self._vectors.n_seen:
            most = self._config.classify.backfill
            self._backfill.ask(self._vectors.arrived, self._map.binned_origins, most)

    def finish(self) -> None:
        """Refine until nothing moves: all origins, a map binned afresh, all weights."""
        if self._vectors.n_seen == 0:
            return
        self._map.tolerance = 0.0
        everything = np.sort(self._vectors.arrived)
        for _ in range(_FINAL_PASSES):
            self._map.reset()
            changed = self._advance(everything)
            self._learn_origins()
            self._nmf.update(self._features.view, changed, self._vectors.n_seen)
        measured = self._measure(final=True)
        self._nmf.update(self._features.view, measured, self._vectors.n_seen)
        judged = self._judge(everything)  # before the view is taken: the rows may move
        self._nmf.update(self._features.view, judged, self._vectors.n_seen)
        self._map.tolerance = self._config.origin.rebin_tolerance
        self._nmf.finish(self._features.view)
        self._relabel(np.zeros(0, np.int64), final=True)
        for _ in range(_FINAL_VARIANTS):
            if not self._nmf.reach(self._features.view):
                break
            self._relabel(np.zeros(0, np.int64), final=True)
        self._refreshed_at = self._vectors.n_seen
        self._finished = True

    @property
    def _patience(self) -> int:
        """New positions after which peaks are looked for again."""
        return min(self._vectors.n_seen // _LOOKS, self.scan_shape[1] // 2)

    def _due(self) -> NDArray[np.int64]:
        """Positions that a refresh looks at: all of a small scan and, each time a large one has grown by a good
        part; else the newest and the next few others in turn, so that the cost does not grow with the scan."""
        arrived, n = self._vectors.arrived, self._vectors.n_seen
        newest, budget = n - self._refreshed_at, self._config.classify.recode_budget
        if n <= max(_SMALL, newest + budget) or n >= _WHOLE_AGAIN * self._whole_at:
            self._whole_at = n
            return np.sort(arrived)
        recent = arrived[n - newest - budget // 2 :]
        first, take = self._turn % n, budget - budget // 2
        self._turn = (first + take) % n
        return np.union1d(recent, np.take(arrived, np.arange(first, first + take), mode="wrap"))

    def _advance(self, due: NDArray[np.int64], *, track: bool = True) -> NDArray[np.int64]:
        """Origins, map, peaks (if they are looked for) and features of the positions that are due, given in rising
        order; returns those whose features changed."""
        vectors = self._vectors.view
        moved = self._map.update(vectors, due, self._origin.origins(due))
        if track:
            self._tracked_at = self._vectors.n_seen
            if self._tracker.update(self._map.counts, self._tracked_at):
                peaks = self._tracker.snapshot()
                self._features.track(peaks)
                self._nmf.track(peaks, self._features.view.n_columns, self._config.tracker.match_radius)
                self._behind = self._tracked_at
        affected = due if self._behind > 0 else moved
        whole = due.size == self._vectors.n_seen
        self._behind = 0 if whole else self._behind - due.size // 2  # half of them are those whose turn it is
        changed = self._features.update(
            vectors, affected, self._map.binned_origins[affected], changing=self._about_to_change
        )
        return affected[changed]

    def _about_to_change(self, positions: NDArray[np.int64]) -> None:
        self._nmf.take_out(self._features.view, positions)

    def _next_to_judge(self, measured: NDArray[np.int64]) -> NDArray[np.int64]:
        """What was just measured, and the next few of the others in turn: classes come and change."""
        known = np.flatnonzero(self._features.forced.stamp)
        rows, self._judged_to = next_in_turn(known, self._judged_to, _JUDGED)
        return np.union1d(measured, rows)

    def _judge(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the measured light shows a class, or no longer does; returns where that is news."""
        if self._photometer is None or self._nmf.n_components == 0:
            return np.zeros(0, np.int64)
        vectors = self._vectors.view
        patterns = self._nmf.witnessed(self._features.view)
        return self._features.judge(vectors, positions, patterns, self._about_to_change)

    def _measure(self, hurried: bool = False, *, final: bool = False) -> NDArray[np.int64]:
        """Light at tracked peaks where it is not up to date, as far as there is time; returns where."""
        vectors, arrived, origins = self._vectors.view, self._vectors.arrived, self._map.binned_origins
        if final:
            return self._backfill.finish(vectors, arrived, origins, self._config.classify.final_backfill)
        most = 0 if hurried or self._background else self._config.classify.backfill
        return self._backfill.refresh(vectors, arrived, origins, most)

    def _learn_origins(self) -> None:
        vectors, arrived = self._vectors.view, self._vectors.arrived
        sample = arrived[:: max(1, -(-arrived.size // _LEARNED_FROM))]
        row, disk = ragged(vectors.start[sample], vectors.count[sample])
        place = np.stack([vectors.qx[disk], vectors.qy[disk]], axis=1)
        column = self._features.matched[disk]
        shifts = pattern_origins(place, column, sample[row], self._tracker.snapshot())
        self._origin.learn_from_patterns(*shifts)
        self._learned_at = self._vectors.n_seen

    def _relabel(
        self, changed: NDArray[np.int64], positions: NDArray[np.int64] | None = None, *, final: bool = False
    ) -> None:
        """Label some positions anew, by default all."""
        vectors, factors = self._vectors.view, self._nmf.view
        origins = filled(self._map.binned_origins.T, vectors.count.size, np.nan).T
        self._order = self._variants.update(
            self._features,
            factors,
            self._tracker.snapshot(),
            changed,
            final,
            positions,
            self._nmf.locked,
            self._nmf.whole,
        )
        leader = self._variants.leader
        light = self._light.update(self._features, factors, leader, self._nmf.trusted, positions)
        leader = np.where(light.component >= -1, light.component, leader).astype(np.int32)
        turned = self._turned.update(
            vectors,
            self._features.matched,
            origins,
            factors,
            leader,
            self._tracker.snapshot(),
            final,
            [*self._nmf.locked, *self._variants.fadings, *self._nmf.whole],
        )
        variants = {number: fading.fading for number, fading in self._variants.fadings.items()}
        variants |= dict.fromkeys(self._turned.turns, np.zeros(0, np.int64))
        self._nmf.variants = self._variants.costs(factors, self._nmf.locked) | self._turned.costs(turned, leader)
        order = np.where(leader == self._variants.leader, self._order, np.nan).astype(np.float32)
        anew = None if self._variants.judged_all else positions
        order = self._agreement.update(order, leader, anew, final=final)
        self._classes.update(
            self._features,
            factors,
            vectors,
            origins,
            changed,
            order=np.where(np.isnan(order), turned, order),
            variants=variants,
            final=final,
            positions=positions,
            rounds=_FINAL_ROUNDS if final else 1,
            light=light,
        )
        self._version += 1

    def _bragg_numbers(self, peaks: BraggPeaks) -> NDArray[np.float32]:
        """Number of disks of each frame without the direct beam, and their summed intensity."""
        far = np.hypot(peaks.qx - self._probe_center[0], peaks.qy - self._probe_center[1])
        bragg = far > self._center_radius
        frame = np.repeat(np.arange(peaks.n_frames), np.diff(peaks.offsets))[bragg]
        number = np.bincount(frame, minlength=peaks.n_frames)
        total = np.bincount(frame, peaks.intensity[bragg], minlength=peaks.n_frames)
        return np.column_stack([number, total]).astype(np.float32)
