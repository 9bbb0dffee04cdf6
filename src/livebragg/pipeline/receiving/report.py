"""What the receiver says about itself: phase, light, reasons and counters."""

from __future__ import annotations

from collections import Counter

from livebragg.pipeline.health import Notices, losses
from livebragg.pipeline.receiving.dispatcher import Dispatcher
from livebragg.pipeline.receiving.intake import Intake
from livebragg.storage.frame_log import FrameLogWriter
from livebragg.wire.messages import ReceiverReport

STARTING_S = 120.0
"""Workers may take this long to start: the very first time they compile the kernels."""

BEHIND_FRAMES = 2000
"""Backlog from which the light turns yellow."""


def make_report(
    *,
    intake: Intake,
    dispatcher: Dispatcher,
    log: FrameLogWriter,
    counters: Counter[str],
    notices: Notices,
    rate_hz: float,
    silent_s: float,
    quiet_warning_s: float,
    endpoint: str,
    held_back: str,
    stopping: bool,
    running_s: float,
    had_workers: bool,
    now: float,
) -> ReceiverReport:
    """Judge the state of the stream and the workers."""
    stream = intake.stream
    serial = stream.serial if stream is not None else 0
    silent = silent_s > quiet_warning_s and not held_back
    under_way = stream is not None and not stream.ended
    numbers: Counter[str] = Counter(counters)
    numbers.update(intake.counters)
    if stream is not None:
        numbers.update(stream.counters)
        if under_way:
            numbers["frames_missing"] = stream.missing_below(stream.newest_frame + 1)
    reds: list[str] = []
    yellows: list[str] = []
    if not dispatcher.workers and had_workers:
        yellows.append("no worker is left; a new one is started")
    elif not dispatcher.workers:
        (reds if running_s > STARTING_S else yellows).append(
            "no worker is ready yet; the first start after an installation compiles the kernels (a minute or two)"
        )
    if silent and under_way:
        reds.append(f"no message from {endpoint} for {silent_s:.0f} s; is the sender running?")
    if held_back:
        yellows.append(f"{held_back}: the sender is held back")
    if dispatcher.jobs.backlog_frames > BEHIND_FRAMES:
        yellows.append(f"{dispatcher.jobs.backlog_frames} frames behind, catching up when the rate allows")
    yellows += losses(numbers)
    if numbers["messages_malformed"]:
        yellows.append(f"{numbers['messages_malformed']} messages could not be used")
    return ReceiverReport(
        serial=serial,
        phase=_phase(under_way, serial, silent, stopping, dispatcher),
        light="red" if reds else "yellow" if yellows else "green",
        reasons=reds + yellows or [_all_well(under_way, serial, endpoint, silent)],
        counters={
            **{key: float(value) for key, value in numbers.items()},
            "frames_expected": float((stream.n_frames_expected if stream else 0) or 0),
            "rate_received_hz": rate_hz,
            "backlog_frames": float(dispatcher.jobs.backlog_frames),
            "jobs_in_flight": float(dispatcher.jobs.in_flight),
            "log_bytes": float(log.allocated_bytes),
            "log_capacity_bytes": float(log.capacity_bytes),
            "silent_s": silent_s,
        },
        workers=[
            {
                "worker_id": w.worker_id,
                "pid": float(w.pid),
                "frames_done": float(w.frames_done),
                "busy_s": w.busy_s,
                "us_per_frame": w.busy_s / max(w.frames_done, 1) * 1e6,
                "silent_s": now - w.last_seen,
            }
            for w in dispatcher.workers.values()
        ],
        notices=notices.snapshot(),
    )


def _phase(under_way: bool, serial: int, silent: bool, stopping: bool, dispatcher: Dispatcher) -> str:
    if stopping:
        return "stopped"
    if under_way:
        if silent:
            return "stalled"
        return "measuring" if dispatcher.measuring_probe(serial) else "running"
    return "finishing" if dispatcher.busy else "waiting"


def _all_well(under_way: bool, serial: int, endpoint: str, silent: bool) -> str:
    if under_way:
        return "all frames received and analysed so far"
    if serial:
        return f"waiting for the next acquisition from {endpoint}"
    if silent:
        return f"no message from {endpoint} yet; start the sender, or check the endpoint"
    return f"waiting for an acquisition from {endpoint}"
