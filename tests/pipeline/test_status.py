"""The status of the whole: the receiver's word and the analyst's, put together."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from dispatch_stories import PROBE, acquisition
from livebragg.model import Calibration, EllipseEstimate, ScanGeometry
from livebragg.pipeline.status import RECEIVER_SILENT_S, Standing, make_status
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import AcquisitionOpened, PipelineStatus, ReceiverReport

OPENED = AcquisitionOpened(
    acquisition=acquisition(),
    serial=2,
    geometry=ScanGeometry(scan_shape=(4, 10)),
    n_frames_expected=40,
    opened_at=9.0,
)
CALIBRATION = Calibration(
    ellipse=EllipseEstimate.from_axes(1.02, 30.0, "rings", error=0.002), q_pixel_size_inv_angstrom=0.02
)


def report(**changes: Any) -> ReceiverReport:
    fields: dict[str, Any] = {
        "serial": 2, "phase": "running", "light": "green", "reasons": ["all is well"],
        "counters": {"frames_received": 30.0, "frames_failed": 4.0}, "workers": [{"worker_id": "w0"}],
        "notices": ["from the receiver"],
    }  # fmt: skip
    return ReceiverReport(**{**fields, **changes})


def run(**changes: Any) -> Any:
    fields: dict[str, Any] = {
        "counters": Counter(positions_analysed=20, frames_failed=0),
        "analysis": SimpleNamespace(scan_shape=(5, 10)), "calibrator": SimpleNamespace(calibration=CALIBRATION),
        "probe": PROBE, "newest_sent_at": 99.0, "results_path": "/r.h5", "problem": "", "complete": False,
        "ended_as": "complete", "end_reason": "", "shape_note": "lines of 10 positions, by their starts",
        "log": SimpleNamespace(marks=[{"scan_index": 3.0, "at": 99.0, "note": "crack"}]),
    }  # fmt: skip
    made = SimpleNamespace(**{**fields, **changes})
    made.numbers = lambda now: {key: float(value) for key, value in made.counters.items()} | {"lag_s": 0.1}
    return made


def test_what_the_shape_rests_on_is_told() -> None:
    assert status().shape_note == "lines of 10 positions, by their starts"
    assert status(run=None).shape_note == ""


def status(**changes: Any) -> PipelineStatus:
    fields: dict[str, Any] = {
        "revision": 7, "opened": OPENED, "run": run(), "report": report(), "report_age_s": 0.3, "finishing": False,
        "notices": ["from the analyst"], "settings": {"detection.false_disks_per_frame": 0.1, "flip": False},
    }  # fmt: skip
    made = make_status(Standing(**{**fields, **changes}), now=100.0)
    assert decode([bytes(p) for p in encode(made)]) == made
    return made


def test_a_healthy_scan() -> None:
    made = status()
    assert (made.phase, made.light, made.reasons) == ("running", "green", ["all is well"])
    assert (made.serial, made.revision, made.published_at, made.positions_seen) == (2, 7, 100.0, 20)
    assert (made.scan_shape, made.probe, made.newest_sent_at, made.results_path) == ((5, 10), PROBE, 99.0, "/r.h5")
    assert made.notices == ["from the receiver", "from the analyst"]
    assert made.workers == [{"worker_id": "w0"}]


def test_what_a_scan_goes_on_without_is_said_and_makes_it_yellow() -> None:
    made = status(cautions=["calibration c.json: there is no such file; the scan goes on without it"])
    assert made.light == "yellow"
    assert made.reasons == ["calibration c.json: there is no such file; the scan goes on without it"]


def test_the_calibration_and_the_settings_that_can_change_are_told() -> None:
    made = status()
    assert made.calibration == CALIBRATION
    assert made.settings == {"detection.false_disks_per_frame": 0.1, "flip": False}
    assert status(run=None).calibration is None


def test_frames_fail_in_two_places_and_are_added() -> None:
    made = status(run=run(counters=Counter(positions_analysed=20, frames_failed=3)))
    assert made.counters["frames_failed"] == 7
    assert made.counters["frames_received"] == 30
    assert made.counters["lag_s"] == 0.1
    assert made.light == "yellow"
    assert made.reasons == ["3 frames were damaged and could not be analysed"]


def test_before_anything_is_known_it_is_starting() -> None:
    made = status(opened=None, run=None, report=None)
    assert (made.phase, made.light) == ("starting", "yellow")
    assert "starting" in made.reasons[0]
    assert (made.serial, made.acquisition, made.scan_shape, made.positions_seen) == (0, None, None, 0)


def test_before_the_probe_is_known_the_announced_shape_is_shown() -> None:
    made = status(run=None, report=report(phase="measuring"))
    assert (made.phase, made.scan_shape, made.probe, made.serial) == ("measuring", (4, 10), None, 2)


@pytest.mark.parametrize(
    ("changes", "phase"), [({"finishing": True}, "finishing"), ({"run": run(complete=True)}, "complete")]
)
def test_the_analyst_knows_best_when_a_scan_is_over(changes: dict[str, Any], phase: str) -> None:
    assert status(**changes).phase == phase


def test_a_receiver_that_does_not_report_is_red_except_while_the_analyst_itself_is_busy() -> None:
    made = status(report_age_s=RECEIVER_SILENT_S + 1)
    assert (made.light, made.reasons) == ("red", ["the receiver has not reported for 4 s"])
    assert status(report_age_s=RECEIVER_SILENT_S + 1, finishing=True).light == "green"


def test_while_results_are_written_nobody_is_said_to_wait_for_the_next_scan() -> None:
    made = status(finishing=True, report=report(phase="waiting", reasons=["waiting for the next acquisition"]))
    assert (made.phase, made.light, made.reasons) == ("finishing", "green", ["finishing: writing results"])


def test_results_that_cannot_be_written_are_red_and_come_first() -> None:
    made = status(
        run=run(problem="no space left", counters=Counter(frames_failed=1)),
        report=report(light="yellow", reasons=["2 frames never came"]),
    )
    assert made.light == "red"
    assert made.reasons[0] == "no space left"
    assert made.reasons[-1] == "2 frames never came"


def test_a_worse_light_of_the_receiver_stays() -> None:
    made = status(run=run(counters=Counter(frames_failed=1)), report=report(light="red", reasons=["stalled"]))
    assert made.light == "red"
    assert "stalled" in made.reasons
