"""Alerts of ``livebragg watch``, which this server starts for a file of rules, as the page shows them."""

from __future__ import annotations

import time
from typing import Any

from livebragg.wire.messages import Alerts
from livebragg_dashboards.sources.newest import Newest
from livebragg_dashboards.sources.served import Served
from livebragg_dashboards.words import clean

MAX_SHOWN = 40
TONES = {"new_class": "news", "area": "news", "drift": "warn", "trend": "warn"}
"""How bad what a rule says is; data that are lost or do not come are worst."""
_WORST_FIRST = ("bad", "warn", "news")
MAX_ALERTS = 4096

_alarm: Alarm | None = None


class Alarm:
    """Watches one pipeline by a file of rules.

    Parameters
    ----------
    rules : str
        File of rules.
    feed : str
        Feed of the pipeline.

    Raises
    ------
    PipelineError
        The rules cannot be used; the text says which.
    """

    def __init__(self, rules: str, feed: str) -> None:
        self.feed = feed
        self._watcher = Served("watch", rules, "--feed", feed, flags=["--publish"])
        self._newest = Newest(self._watcher.feed, Alerts, problem_of_alerts)

    def texts(self) -> list[dict[str, Any]]:
        """See `alert_texts`."""
        problem = self._watcher.problem()
        if problem:
            text = clean(f"the rules are not watched any more: {problem}", 200)
            return [{"text": text, "active": True, "at": "", "key": text, "tone": "bad"}]
        return alert_texts(self._newest.get())

    def close(self) -> None:
        """End it."""
        self._newest.close()
        self._watcher.close()


def alert_texts(message: Alerts | None) -> list[dict[str, Any]]:
    """The active alerts, the worst first, then the newest that are over: text, time, whether it is still true, how
    bad it is, and a key that the next one does not have, however soon it comes."""
    rows: list[dict[str, Any]] = [
        {
            "text": clean(alert.text, 160),
            "active": alert.active,
            "at": _clock(alert.raised_at),
            "key": f"{alert.raised_at} {alert.rule}",
            "tone": TONES.get(alert.rule.partition(" ")[0], "bad"),
        }
        for alert in (message.alerts[:MAX_SHOWN] if message else [])
    ]
    return sorted(rows, key=lambda row: (not row["active"], row["active"] and _WORST_FIRST.index(row["tone"])))


def problem_of_alerts(message: Alerts) -> str:
    """What is wrong with a list of alerts; empty when it can be shown."""
    return f"{len(message.alerts)} alerts" if len(message.alerts) > MAX_ALERTS else ""


def _clock(at: float) -> str:
    try:
        return time.strftime("%H:%M:%S", time.localtime(at))
    except (ValueError, OverflowError, OSError):
        return ""


def open_alarm(rules: str, feed: str) -> None:
    """Watch for all sessions."""
    global _alarm
    _alarm = Alarm(rules, feed)


def close_alarm() -> None:
    """End what watches."""
    global _alarm
    if _alarm is not None:
        _alarm.close()
    _alarm = None


def shown_alerts(feed: str) -> list[dict[str, Any]]:
    """Alerts about the pipeline of a feed; none about others, and files."""
    return _alarm.texts() if _alarm is not None and _alarm.feed == feed else []
