"""Alerts as the page shows them."""

from __future__ import annotations

from livebragg.model import Alert
from livebragg.wire.messages import Alerts
from livebragg_dashboards.sources.alerts import alert_texts


def test_lost_frames_come_before_a_new_class_and_both_before_what_is_over() -> None:
    alerts = [
        Alert(rule="new_class 5", text="Crystal 5 has appeared", raised_at=9.0),
        Alert(rule="drift", text="the beam moved", raised_at=8.0),
        Alert(rule="lost", text="14 frames lost", raised_at=7.0),
        Alert(rule="lost", text="6 frames lost", raised_at=1.0, active=False),
    ]
    shown = alert_texts(Alerts(revision=1, published_at=10.0, alerts=alerts))
    assert [row["tone"] for row in shown] == ["bad", "warn", "news", "bad"]
    assert [row["active"] for row in shown] == [True, True, True, False]
