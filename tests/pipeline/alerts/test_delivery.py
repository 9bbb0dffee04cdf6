"""Alerts reach a command and a webhook, and neither can hold anything up."""

from __future__ import annotations

import http.server
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livebragg.config.alerts import AlertsConfig
from livebragg.config.loader import from_table
from livebragg.model import Alert
from livebragg.pipeline.alerts import delivery as delivery_module
from livebragg.pipeline.alerts.delivery import Delivery

ALERT = Alert(rule="lost", text="7 frames lost; $(touch pwned) `x`", raised_at=5.0, acquisition="go\x1bld")


class Hook(http.server.BaseHTTPRequestHandler):
    """Keeps what is sent to it."""

    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def hook() -> Iterator[Any]:
    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        server.got, server.status = [], 200  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def config(**table: dict[str, Any]) -> AlertsConfig:
    return from_table(AlertsConfig, table)


def test_a_webhook_gets_the_alert_as_json(hook: Any) -> None:
    with Delivery(config(webhook={"url": f"http://127.0.0.1:{hook.server_port}/x"})) as delivery:
        delivery.tell(ALERT)
    assert hook.got == [
        {"rule": "lost", "text": ALERT.text, "raised_at": 5.0, "active": True, "acquisition": "go\x1bld"}
    ]
    assert delivery.failed == 0


def test_a_command_gets_one_printable_argument_that_is_no_option_and_no_shell_reads_it(tmp_path: Path) -> None:
    script = f"import sys, pathlib; pathlib.Path({str(tmp_path / 'said')!r}).write_text(repr(sys.argv[1:]))"
    with Delivery(config(command={"argv": [sys.executable, "-c", script]})) as delivery:
        delivery.tell(ALERT)
    assert (tmp_path / "said").read_text() == repr(["livebragg: go ld: 7 frames lost; $(touch pwned) `x`"])
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "table",
    [
        {"webhook": {"url": "http://127.0.0.1:1/", "timeout_s": 0.5}},
        {"command": {"argv": ["/no/such/program"]}},
        {"command": {"argv": [sys.executable, "-c", "raise SystemExit(3)"]}},
        {"command": {"argv": [sys.executable, "-c", "import time; time.sleep(60)"], "timeout_s": 0.3}},
    ],
    ids=["nobody listens", "no program", "fails", "hangs"],
)
def test_what_does_not_work_is_counted_and_the_next_one_is_tried(table: dict[str, Any]) -> None:
    with Delivery(config(**table)) as delivery:
        delivery.tell(ALERT)
        delivery.tell(ALERT)
    assert delivery.failed == 2


def test_an_answer_that_refuses_is_a_failure(hook: Any) -> None:
    hook.status = 500
    with Delivery(config(webhook={"url": f"http://127.0.0.1:{hook.server_port}/"})) as delivery:
        delivery.tell(ALERT)
    assert delivery.failed == 1 and len(hook.got) == 1


def test_a_slow_receiver_holds_nobody_up_and_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "CLOSE_S", 0.1)
    slow = config(command={"argv": [sys.executable, "-c", "import time; time.sleep(1)"], "timeout_s": 1.5})
    with Delivery(slow) as delivery:
        began = time.monotonic()
        for _ in range(delivery_module.QUEUE + 10):
            delivery.tell(ALERT)
        assert time.monotonic() - began < 1.0
        assert delivery.left_out >= 9


def test_a_webhook_that_speaks_no_http_does_not_end_the_telling() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with server:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail ready\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with Delivery(config(webhook={"url": f"http://127.0.0.1:{server.getsockname()[1]}/"})) as delivery:
        delivery.tell(ALERT)
        thread.join()
        delivery.tell(ALERT)
    assert delivery.failed == 2
