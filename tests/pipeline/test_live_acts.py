"""Acting on the real programs while frames come: it holds from then on, is recorded, and stops nothing."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_pipeline import live_pipeline, simulator
from livebragg.storage.results_reader import read_results
from livebragg.wire import sockets
from livebragg.wire.codec import decode
from livebragg.wire.messages import Accepted, MarkRequest, Refused, SettingsRequest, StatusRequest
from livebragg_simulators.specimen import Specimen, SpecimenConfig

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]

SENSITIVITY = "detection.false_disks_per_frame"


def ask(socket: Any, request: object) -> Any:
    sockets.send(socket, request, prefix=(b"",))
    end = time.monotonic() + 30
    while time.monotonic() < end:
        parts = sockets.receive_parts(socket)
        if parts is not None:
            return decode(parts[1:])
        time.sleep(0.01)
    raise AssertionError(f"no answer to {request}")


def test_a_new_sensitivity_holds_from_then_on_and_a_flood_of_requests_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "recording" / "scan.h5"
    path.parent.mkdir()
    config = SpecimenConfig.preset(
        "gold", scan_shape=(24, 20), frame_shape=(72, 64), n_grains=3, probe_radius=3.0, electrons_per_frame=8000.0
    )
    Specimen(config).write_recording(path)
    with contextlib.ExitStack() as stack:
        pipeline = stack.enter_context(live_pipeline(tmp_path))
        pipeline.wait_ready()
        stack.enter_context(simulator(pipeline.stream, "replay", str(path), "--rate", "25"))
        ctx = stack.enter_context(sockets.context())
        pipeline.wait_for(lambda status: status["positions_seen"] >= 100)
        client = sockets.open_socket(ctx, sockets.DEALER, connect=pipeline.control, linger_ms=0)
        flood = sockets.open_socket(ctx, sockets.DEALER, connect=pipeline.control, linger_ms=0)
        refused = ask(client, SettingsRequest(values={SENSITIVITY: -1.0}))
        assert isinstance(refused, Refused) and "between 0 (balanced) and 1000" in refused.reason
        assert isinstance(ask(client, SettingsRequest(values={SENSITIVITY: 30.0})), Accepted)
        assert isinstance(ask(client, MarkRequest(serial=0, note="more disks from here on")), Accepted)
        for _ in range(3000):
            sockets.send(flood, StatusRequest(), prefix=(b"",), wait=False)
        assert pipeline.status()["settings"][SENSITIVITY] == 30.0
        assert pipeline.end() == 0, pipeline.text()
    results = read_results(pipeline.results()[0])
    assert results.final is not None
    disks = results.final.snapshot.n_disks.ravel()
    assert np.isfinite(disks).all()
    assert np.median(disks[-100:]) > np.median(disks[:80]) + 5
    events = {event.kind: event for event in results.final.snapshot.events}
    changed, mark = events["setting_changed"], events["mark"]
    assert changed.detail == f"{SENSITIVITY} = 30.0 (was 0.1)" and mark.detail == "more disks from here on"
    assert changed.at is not None and mark.at is not None and changed.at <= mark.at < time.time()
    assert 100 <= changed.positions_seen < 480
