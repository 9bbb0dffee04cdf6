"""The folder of finished scans of this server process, if it was given one."""

from __future__ import annotations

from livebragg_dashboards.archive import Archive

_archive: Archive | None = None


def current() -> Archive | None:
    """What was opened last and not closed."""
    return _archive


def open_archive(folder: str) -> Archive:
    """Open the folder for all sessions.

    Raises
    ------
    livebragg.errors.PipelineError
        It cannot be listed.
    """
    global _archive
    _archive = Archive(folder)
    return _archive


def close_archive() -> None:
    """End what reads it."""
    global _archive
    if _archive is not None:
        _archive.close()
    _archive = None
