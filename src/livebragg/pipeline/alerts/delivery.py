"""Tells others about alerts, in a thread of its own: who does not listen holds nobody up."""

from __future__ import annotations

import http.client
import json
import logging
import queue
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from typing import Self

from livebragg.config.alerts import AlertsConfig, CommandConfig, WebhookConfig
from livebragg.model import Alert

logger = logging.getLogger(__name__)

QUEUE = 32
"""Alerts that may wait; more are left out, and counted."""
CLOSE_S = 5.0


class Delivery:
    """Runs the command and calls the webhook for each alert, one after the other.

    Parameters
    ----------
    config : AlertsConfig
    """

    def __init__(self, config: AlertsConfig) -> None:
        self._ways: list[Callable[[Alert], None]] = []
        if config.command.argv:
            self._ways.append(lambda alert: run_command(config.command, alert))
        if config.webhook.url:
            self._ways.append(lambda alert: post(config.webhook, alert))
        self._queue: queue.Queue[Alert | None] = queue.Queue(QUEUE)
        self._thread = threading.Thread(target=self._run, name="livebragg-alerts", daemon=True)
        self.left_out = 0
        """Alerts that nobody was told of, since too many waited."""
        self.failed = 0
        """Times that a command or webhook did not work."""

    def tell(self, alert: Alert) -> None:
        """Deliver soon."""
        try:
            self._queue.put_nowait(alert)
        except queue.Full:
            self.left_out += 1
            logger.warning("%d alerts were not delivered: too many wait", self.left_out)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._queue.put_nowait(None)
            self._thread.join(CLOSE_S)
        except queue.Full:
            logger.warning("alerts that waited at the end were not delivered")

    def _run(self) -> None:
        while (alert := self._queue.get()) is not None:
            for way in self._ways:
                try:
                    way(alert)
                except (OSError, http.client.HTTPException, subprocess.SubprocessError, ValueError) as error:
                    self.failed += 1
                    logger.warning("alert %r was not delivered: %s", alert.rule, error)


def run_command(config: CommandConfig, alert: Alert) -> None:
    """Start the program with the alert's text as its last argument, and wait for it."""
    subprocess.run(
        [*config.argv, _line(alert)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=config.timeout_s,
        check=True,
    )


def post(config: WebhookConfig, alert: Alert) -> None:
    """Send the alert as JSON; an answer other than 2xx is a failure."""
    body = json.dumps(asdict(alert)).encode()
    request = urllib.request.Request(
        config.url, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=config.timeout_s):
        pass


def _line(alert: Alert) -> str:
    """One printable line that is no option of the command: names of classes and scans come from outside."""
    text = f"livebragg: {alert.acquisition}: {alert.text}" if alert.acquisition else f"livebragg: {alert.text}"
    return "".join(c if c.isprintable() else " " for c in text)[:500]
