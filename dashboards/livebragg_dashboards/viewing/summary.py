"""The status strip in words: what the pipeline does, how far it is, and whether one may trust the page."""

from __future__ import annotations

import math
from typing import Any

from livebragg.model import lost_frames
from livebragg.wire.messages import PipelineStatus
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.words import TIMES, clean, count, number, percent, seconds

MAX_REASONS = 3
MAX_NOTICES = 6
SLOW_AGE_S = 2.0
"""Age of data from which it is shown as a warning while frames come in."""

PHASES = {
    "starting": "Starting",
    "waiting": "Waiting",
    "measuring": "Measuring the probe",
    "running": "Live",
    "stalled": "Stalled",
    "finishing": "Finishing",
    "complete": "Complete",
    "stopped": "Stopped",
    "file": "File, not live",
}
MOVING = ("measuring", "running", "stalled")
WELL = ("measuring", "running", "finishing", "complete")
"""Phases that sound as if all were well; a red light says otherwise."""
LIGHTS = ("green", "yellow", "red")


def connection(snapshot: Snapshot, now: float) -> str:
    """``never``: nobody has spoken yet; ``stale``: nobody speaks now; ``waiting``: no acquisition; ``live``."""
    if snapshot.last_heard is None or snapshot.status is None:
        return "never"
    if snapshot.is_stale(now):
        return "stale"
    return "waiting" if snapshot.status.acquisition is None else "live"


def strip(snapshot: Snapshot, now: float, feed: str, problem: str = "") -> dict[str, Any]:
    """Texts of the status strip, the banner and the start screen.

    Parameters
    ----------
    snapshot : Snapshot
    now : float
        Monotonic clock, seconds.
    feed : str
        Endpoint of the feed, to name it.
    problem : str
        Why the hub does not listen, if it does not.
    """
    state, status = connection(snapshot, now), snapshot.status
    light, phase, reasons = _light(state, status, snapshot.silence_s(now), feed)
    if problem:
        light, phase, reasons = "red", "Dashboard failed", [problem]
    return {
        "state": state,
        "source": "file" if status is not None and status.phase == "file" else "live",
        "light": light,
        "phase": phase,
        "reasons": [clean(r, 160) for r in reasons[:MAX_REASONS]],
        "name": clean(status.acquisition.acquisition_id)
        if status and status.acquisition
        else "No acquisition yet",
        "about": _about(status) if status else "",
        "progress": _progress(status) if status else {"fraction": 0.0, "rows": "", "left": ""},
        "numbers": _numbers(snapshot, now),
        "banner": _banner(state, snapshot, now, feed),
        "trouble": _trouble(state, snapshot, now),
        "newest": _newest(snapshot),
        "start": _start(state, feed, problem, starting=status is not None and not status.workers),
        "notices": _notices(status) if status else [],
        "results": clean(status.results_path, 300) if status else "",
    }


def _light(
    state: str, status: PipelineStatus | None, silence: float | None, feed: str
) -> tuple[str, str, list[str]]:
    if status is None or state == "never":
        return "yellow", "Waiting", [f"no pipeline has spoken at {feed} yet"]
    if state == "stale":
        return "red", "No data", [f"nothing heard from the pipeline for {seconds(silence)}"]
    light = status.light if status.light in LIGHTS else "yellow"
    if light == "red" and status.phase in WELL:
        return light, "Trouble", status.reasons or ["the pipeline does not say which"]
    return light, PHASES.get(status.phase, clean(status.phase, 20)), status.reasons or ["all is well"]


def _notices(status: PipelineStatus) -> list[str]:
    """What the shape rests on while nobody has said it, and the newest warnings, newest first."""
    known = [clean(status.shape_note, 300)] if status.shape_note else []
    return known + [clean(n, 160) for n in status.notices[-MAX_NOTICES:] if n != status.shape_note][::-1]


def _about(status: PipelineStatus) -> str:
    """Scan, frame and microscope in one line."""
    acquisition = status.acquisition
    if acquisition is None:
        return ""
    meta, (rows, cols) = acquisition.metadata, acquisition.frame_shape
    named = (meta.sample_name or "", meta.detector_name or "")
    parts = [name for name in named if name != acquisition.acquisition_id]
    if status.scan_shape is not None:
        unsaid = ", a guess" if status.shape_note else ""
        parts.append(f"scan {status.scan_shape[0]} {TIMES} {status.scan_shape[1]}{unsaid}")
    parts.append(f"frame {rows} {TIMES} {cols}")
    for value, unit in ((meta.beam_energy_kev, "keV"), (meta.convergence_angle_mrad, "mrad")):
        if value is not None and math.isfinite(value):
            parts.append(f"{number(value)} {unit}")
    return " · ".join(clean(p, 60) for p in parts if p)


def _progress(status: PipelineStatus) -> dict[str, Any]:
    shape, seen = status.scan_shape, max(0, status.positions_seen)
    if shape is None:
        return {"fraction": 0.0, "rows": f"{count(seen)} positions" if seen else "", "left": ""}
    total = shape[0] * shape[1]
    fraction = min(1.0, seen / total)
    left = "" if status.phase in MOVING or fraction < 1 else "done"
    rate = status.counters.get("rate_analysed_hz", 0.0)
    per_position = status.acquisition.frames_per_position if status.acquisition else 1
    if status.phase in MOVING and rate > 0 and fraction < 1:
        left = f"{seconds((total - seen) * per_position / rate)} left"
    return {"fraction": fraction, "rows": f"row {min(shape[0], -(-seen // shape[1]))} / {shape[0]}", "left": left,
            "percent": percent(math.floor(100 * fraction) / 100)}  # fmt: skip


def _numbers(snapshot: Snapshot, now: float) -> dict[str, dict[str, str]]:
    """Every number of the strip: text and tone (``""``, ``warn`` or ``bad``)."""
    status = snapshot.status
    counters = status.counters if status else {}
    age, moving = snapshot.data_age_s(now), status is not None and status.phase in MOVING
    get = counters.get
    lost = lost_frames(counters)
    malformed = get("messages_malformed", 0.0) + snapshot.rejected
    workers = _workers(status)
    return {
        "received": _cell(number(get("rate_received_hz"))),
        "analysed": _cell(number(get("rate_analysed_hz"))),
        "backlog": _cell(count(get("backlog_frames")), "warn" if _log_use(counters) > 0.8 else ""),
        "lag": _cell(seconds(get("lag_p50_s")) if get("frames_analysed", 0.0) else seconds(None)),
        "lost": _cell(count(lost) if status else count(None), "bad" if lost else ""),
        "malformed": _cell(count(malformed) if status else count(None), "bad" if malformed else ""),
        "workers": _cell(*workers),
        "age": _cell(seconds(age) if moving or age is None else "final",
                     "warn" if moving and age is not None and age > SLOW_AGE_S else ""),
    }  # fmt: skip


def _cell(text: str, tone: str = "") -> dict[str, str]:
    return {"text": text, "tone": tone}


def _log_use(counters: dict[str, float]) -> float:
    capacity = counters.get("log_capacity_bytes", 0.0)
    return counters.get("log_bytes", 0.0) / capacity if capacity > 0 else 0.0


def _workers(status: PipelineStatus | None) -> tuple[str, str]:
    if status is None:
        return count(None), ""
    restarts = status.counters.get("worker_restarts", 0.0)
    text = f"{len(status.workers)}" + (f" (+{count(restarts)} restarted)" if restarts else "")
    return text, "warn" if restarts else ("bad" if not status.workers and status.phase in MOVING else "")


def _banner(state: str, snapshot: Snapshot, now: float, feed: str) -> dict[str, str] | None:
    """The unmistakable one, across the page."""
    if state != "stale":
        return None
    return {
        "title": f"No data for {seconds(snapshot.silence_s(now))}",
        "text": f"The pipeline at {feed} fell silent. The pictures below are the last that came; "
        "they are no longer live. The page goes on by itself when the pipeline does.",
    }


def _trouble(state: str, snapshot: Snapshot, now: float) -> dict[str, str] | None:
    """What the ribbon says while nothing new comes, and how it is spoken of when it is over."""
    if state == "stale":
        quiet = seconds(snapshot.silence_s(now))
        return {"kind": "stale", "text": "", "over": f"Live again after {quiet} without the pipeline"}
    if state == "live" and snapshot.status is not None and snapshot.status.phase == "stalled":
        age = snapshot.data_age_s(now)
        since = "" if age is None else f" for {seconds(age)}"
        return {
            "kind": "stalled",
            "text": f"No new frame{since}; waiting for the detector",
            "over": f"Live again after{since.removeprefix(' for') or ' a while'} without frames",
        }
    return None


def _newest(snapshot: Snapshot) -> float:
    """When the newest frame that was analysed was sent: by it the page knows whether frames came again."""
    at = snapshot.status.newest_sent_at if snapshot.status is not None else 0.0
    return at if math.isfinite(at) else 0.0


def _start(state: str, feed: str, problem: str, *, starting: bool) -> dict[str, str] | None:
    """What fills the page before the first acquisition."""
    if state == "never" and problem:
        return {"title": "This cannot be shown", "text": clean(problem, 300)}
    if state == "never" and feed.startswith("ipc://"):
        return {"title": "Opening", "text": f"Reading what is to be shown; it comes on {feed}."}
    if state == "never":
        return {
            "title": f"Waiting for a pipeline at {feed}",
            "text": "Start one with:  livebragg attach tcp://DETECTOR:PORT",
        }
    if state == "waiting" and starting:
        return {
            "title": "The pipeline is starting",
            "text": "No worker is ready yet. The first start after an installation takes one to two minutes.",
        }
    if state == "waiting":
        return {
            "title": "Waiting for a stream",
            "text": f"The pipeline at {feed} runs; the page fills when the detector starts an acquisition.",
        }
    return None
