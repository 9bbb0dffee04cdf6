"""How a scan went, as the status of its results file says it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from livebragg.model import lost_frames
from livebragg.pipeline.settings import LIVE, Value
from livebragg.storage.results_content import FinalResults
from livebragg.storage.results_reader import Results
from livebragg.storage.results_summary import stored_time


def verdict(results: Results) -> tuple[str, list[str]]:
    """Light and reasons: how the scan ended, and that this is a file."""
    final = results.final
    lost = lost_frames(final.health if final and final.health else {}, skipped=True)
    ended = f"{results.status} {_local(results.finished_at)}".strip()
    if results.status == "running":
        ended = "not finished: it is being written, or was left behind by a process that died"
    reasons = [ended, *([results.reason] if results.reason else [])]
    whole = results.status == "complete" and not lost
    return ("green" if whole else "yellow"), reasons


def numbers(final: FinalResults | None) -> dict[str, float]:
    """Counters of the file's health that are numbers, without the rates of its last seconds."""
    stored = final.health if final and final.health else {}
    return {
        key: float(value)
        for key, value in stored.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and not key.startswith("rate_")
    }


def stored_settings(parameters: Mapping[str, Any]) -> dict[str, Value]:
    """What was set, of what can be changed while a scan runs; what the file does not say is left out."""
    found = {key: _value_at(parameters, key) for key in LIVE}
    return {key: value for key, value in found.items() if isinstance(value, Value)}


def _value_at(table: Any, key: str) -> Any:
    for name in key.split("."):
        table = table.get(name) if isinstance(table, Mapping) else None
    return table


def _local(text: str) -> str:
    """A stored time as this computer's clock shows it."""
    at = stored_time(text)
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M") if at else ""
