"""Shows the pipeline's status in a terminal, or as plain lines where there is none."""

from __future__ import annotations

import time

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text

from livebragg.wire.messages import PipelineStatus

PLAIN_EVERY_S = 5.0
_STYLE = {"green": "green", "yellow": "yellow", "red": "bold red"}


class StatusDisplay:
    """A few lines that are kept up to date; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=5, transient=False) if console.is_terminal else None
        self._next_line = 0.0
        self._last_phase = ""

    def __enter__(self) -> StatusDisplay:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def note(self, text: str) -> None:
        """Say something once."""
        self._console.print(text, style="bold", highlight=False)

    def show(self, status: PipelineStatus) -> None:
        """Show the newest status."""
        if self._live is not None:
            self._live.update(render(status))
        elif time.monotonic() >= self._next_line or status.phase != self._last_phase:
            self._next_line = time.monotonic() + PLAIN_EVERY_S
            self._last_phase = status.phase
            self._console.print(one_line(status), highlight=False, markup=False, soft_wrap=True)


def one_line(status: PipelineStatus) -> str:
    """The status in one line of text."""
    c = status.counters
    name = status.acquisition.acquisition_id if status.acquisition else "no acquisition"
    return (
        f"{status.phase}: {name}, {status.positions_seen} positions, "
        f"{c.get('rate_analysed_hz', 0):.0f} frames/s, backlog {c.get('backlog_frames', 0):.0f}, "
        f"{c.get('n_peaks', 0):.0f} peaks, {c.get('n_classes', 0):.0f} classes [{status.light}] "
        + "; ".join(status.reasons)
    )


def render(status: PipelineStatus) -> RenderableType:
    """The status as a small table."""
    c = status.counters
    name = status.acquisition.acquisition_id if status.acquisition else "-"
    rows, cols = status.scan_shape or (0, 0)
    total = c.get("positions_total", float(rows * cols))
    style = _STYLE.get(status.light, "")
    head = Text.assemble((f" {status.phase} ", f"reverse {style}"), "  ", (name, "bold"), f"  {rows}x{cols}")
    facts = [
        f"{status.positions_seen}/{total:.0f} positions",
        f"{c.get('rate_received_hz', 0):.0f} in, {c.get('rate_analysed_hz', 0):.0f} analysed /s",
        f"backlog {c.get('backlog_frames', 0):.0f}",
        f"lag {c.get('lag_p50_s', 0):.2f} s, p99 {c.get('lag_p99_s', 0):.2f} s",
        f"{c.get('disks_per_frame', 0):.1f} disks/frame",
        f"{c.get('n_peaks', 0):.0f} tracked peaks",
        f"{c.get('n_classes', 0):.0f} classes",
        f"{len(status.workers)} workers, {c.get('worker_restarts', 0):.0f} restarts",
    ]
    reasons = Text("; ".join(status.reasons), style=style)
    bar = Padding(ProgressBar(total=max(total, 1), completed=status.positions_seen, width=60), 0)  # ends its line
    notices = [Text(f"! {text}", style="yellow") for text in status.notices[-3:]]
    shape = [Text(status.shape_note, style="yellow")] if status.shape_note else []
    return Group(head, bar, Columns(facts, padding=(0, 3)), reasons, *shape, *notices)
