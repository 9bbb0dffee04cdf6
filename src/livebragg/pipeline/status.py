"""Puts together the pipeline's status from what the receiver reports and what the analyst knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from livebragg.pipeline.scan.run import ScanRun
from livebragg.pipeline.settings import LIMITS, Value
from livebragg.wire.messages import AcquisitionOpened, PipelineStatus, ReceiverReport

RECEIVER_SILENT_S = 3.0
"""Age of the receiver's last report from which it counts as stuck."""

_ORDER = {"green": 0, "yellow": 1, "red": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the analyst knows at one moment."""

    revision: int
    opened: AcquisitionOpened | None
    run: ScanRun | None
    report: ReceiverReport | None
    report_age_s: float
    finishing: bool
    notices: list[str]
    settings: dict[str, Value]
    problem: str = ""
    """Why the newest acquisition has no results."""
    cautions: Sequence[str] = ()
    """What the newest acquisition goes on without."""


def make_status(standing: Standing, now: float) -> PipelineStatus:
    """Judge and count everything."""
    run, opened, report = standing.run, standing.opened, standing.report
    counters = _counters(standing, now)
    light, reasons = _light(standing)
    return PipelineStatus(
        revision=standing.revision,
        published_at=now,
        phase=_phase(standing),
        light=light,
        reasons=reasons,
        serial=opened.serial if opened else 0,
        acquisition=opened.acquisition if opened else None,
        scan_shape=run.analysis.scan_shape if run else (opened.geometry.scan_shape if opened else None),
        probe=run.probe if run else None,
        positions_seen=run.counters["positions_analysed"] if run else 0,
        newest_sent_at=run.newest_sent_at if run else 0.0,
        counters=counters,
        workers=report.workers if report else [],
        notices=(report.notices if report else []) + standing.notices,
        results_path=run.results_path if run else "",
        calibration=run.calibrator.calibration if run else None,
        settings=standing.settings,
        limits=LIMITS,
        marks=run.log.marks if run else [],
        shape_note=run.shape_note if run else "",
    )


def _counters(standing: Standing, now: float) -> dict[str, float]:
    counters = dict(standing.report.counters) if standing.report else {}
    if standing.run is not None:
        for key, value in standing.run.numbers(now).items():
            # Frames can fail at the dispatcher (lost workers) and in a worker (damaged payloads).
            counters[key] = value + (counters.get(key, 0.0) if key == "frames_failed" else 0.0)
    return counters


def _phase(standing: Standing) -> str:
    if standing.finishing:
        return "finishing"
    if standing.run is not None and standing.run.complete:
        return "complete" if standing.run.ended_as == "complete" else "stopped"
    if standing.report is None:
        return "starting"
    return standing.report.phase


def _light(standing: Standing) -> tuple[str, list[str]]:
    report, run = standing.report, standing.run
    if report is None:
        return "yellow", ["starting; the first start after an installation compiles the kernels"]
    more: list[tuple[str, str]] = []
    if standing.report_age_s > RECEIVER_SILENT_S and not standing.finishing:
        more.append(("red", f"the receiver has not reported for {standing.report_age_s:.0f} s"))
    if run is not None and run.complete and run.ended_as != "complete":
        more.append(("yellow", run.end_reason))
    if standing.problem:
        more.append(("red", standing.problem))
    more += [("yellow", caution) for caution in standing.cautions]
    if run is not None and run.problem:
        more.append(("red", run.problem))
    if run is not None and run.counters["frames_failed"]:
        more.append(("yellow", f"{run.counters['frames_failed']} frames were damaged and could not be analysed"))
    light = max([report.light, *(colour for colour, _ in more)], key=_ORDER.__getitem__)
    # "All is well" is no reason for a light that is not green.
    reasons = [] if more and report.light == "green" else report.reasons
    if standing.finishing and report.light == "green":  # the receiver waits for the next one already
        reasons = ["finishing: writing results"]
    return light, [text for _, text in more] + reasons
