"""Which alerts are raised: each once, until its value has come back well below the limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from livebragg.config.alerts import AlertsConfig
from livebragg.model import Alert
from livebragg.pipeline.alerts.rules import Reading, of_classes, of_images, of_status
from livebragg.wire.messages import ClassMaps, PipelineStatus, VirtualImageSet

REARM = 0.8
"""Part of the limit to which a value must come back before it can raise an alert again."""
FINISHING_S = 60.0
"""A pipeline that finishes a scan may be silent for as long, as on the page."""
KEPT = 50
SILENT = "silent"


class AlertEngine:
    """Takes feed messages; no sockets, no clock.

    Parameters
    ----------
    config : AlertsConfig

    Examples
    --------
    >>> engine = AlertEngine(AlertsConfig())
    >>> engine.tick(100.0), engine.alerts
    ([], ())
    """

    def __init__(self, config: AlertsConfig) -> None:
        self._config = config
        self._status: PipelineStatus | None = None
        self._heard_at: float | None = None
        self._stalled_at: float | None = None
        self._known_classes: set[int] = set()
        self._alerts: dict[str, Alert] = {}
        self._past: list[Alert] = []

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Those that are active, then the newest others, newest first."""
        return (*sorted(self._alerts.values(), key=lambda a: -a.raised_at), *reversed(self._past))

    def update(self, message: object, now: float) -> list[Alert]:
        """Take a message; returns the alerts that it raises."""
        if isinstance(message, PipelineStatus):
            return self._take_status(message, now)
        if self._status is None or getattr(message, "serial", None) != self._status.serial:
            return []
        if isinstance(message, VirtualImageSet):
            return self._judge(of_images(message, self._config), now)
        if isinstance(message, ClassMaps):
            self._forget_classes(message)
            return self._judge(self._class_readings(message), now)
        return []

    def tick(self, now: float) -> list[Alert]:
        """Look whether the pipeline has been silent for too long."""
        if self._heard_at is None or not self._config.stalled.on:
            return []
        limit = self._config.stalled.seconds
        if self._status is not None and self._status.phase == "finishing":
            limit = max(limit, FINISHING_S)
        text = f"nothing heard from the pipeline for more than {limit:g} s"
        return self._judge([Reading(SILENT, now - self._heard_at, limit, text)], now)

    def _take_status(self, status: PipelineStatus, now: float) -> list[Alert]:
        if self._status is not None and status.serial != self._status.serial:
            self._begin_anew()
        self._status, self._heard_at = status, now
        if status.phase != "stalled":
            self._stalled_at = None
        elif self._stalled_at is None:
            self._stalled_at = now
        stalled_s = 0.0 if self._stalled_at is None else now - self._stalled_at
        return self._judge(of_status(status, stalled_s, self._config), now)

    def _begin_anew(self) -> None:
        for rule in [rule for rule in self._alerts if rule != SILENT]:
            self._clear(rule)
        self._known_classes.clear()

    def _forget_classes(self, maps: ClassMaps) -> None:
        """Alerts about classes that are no more are over."""
        for rule in list(self._alerts):
            kind, _, number = rule.partition(" ")
            if kind in ("area", "new_class") and int(number) not in maps.class_ids:
                self._clear(rule)

    def _class_readings(self, maps: ClassMaps) -> Iterable[Reading]:
        if self._seen_percent < self._config.new_class.after_percent:
            self._known_classes.update(maps.class_ids)  # those that were there from the start are no news
        areas = self._seen_percent >= self._config.area.after_percent
        for reading in of_classes(maps, self._status.positions_seen if self._status else 0, self._config):
            kind, _, number = reading.rule.partition(" ")
            if (kind == "area" and areas) or (kind == "new_class" and int(number) not in self._known_classes):
                yield reading

    @property
    def _seen_percent(self) -> float:
        shape = self._status.scan_shape if self._status else None
        return (
            0.0
            if self._status is None or shape is None
            else (100.0 * self._status.positions_seen / (shape[0] * shape[1]))
        )

    def _judge(self, readings: Iterable[Reading], now: float) -> list[Alert]:
        raised = []
        for reading in readings:
            active = reading.rule in self._alerts
            if not active and reading.value > reading.limit:
                raised.append(self._raise(reading, now))
            elif active and reading.value <= REARM * reading.limit:
                self._clear(reading.rule)
        return raised

    def _raise(self, reading: Reading, now: float) -> Alert:
        acquisition = self._status.acquisition if self._status else None
        alert = Alert(
            rule=reading.rule,
            text=reading.text,
            raised_at=now,
            acquisition=acquisition.acquisition_id if acquisition else "",
        )
        self._alerts[reading.rule] = alert
        return alert

    def _clear(self, rule: str) -> None:
        self._past = [*self._past, replace(self._alerts.pop(rule), active=False)][-KEPT:]
