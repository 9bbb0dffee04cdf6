"""The files that a configuration names, read once for each scan: nobody need keep them while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from livebragg.config.schema import Config
from livebragg.detect import ProbeTemplate
from livebragg.errors import ConfigError
from livebragg.model import Calibration
from livebragg.pipeline.vacuum_file import vacuum_template
from livebragg.storage.calibration_file import load_calibration

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """What they say.

    Parameters
    ----------
    template : ProbeTemplate or None
        The probe that ``probe.vacuum_file`` shows.
    calibration : Calibration or None
        What ``analysis.calibration.file`` holds.
    """

    template: ProbeTemplate | None = None
    calibration: Calibration | None = None


def read_named_files(config: Config) -> NamedFiles:
    """Read those that are named.

    Raises
    ------
    ConfigError
        One is missing or cannot be used; the text names it.
    """
    return NamedFiles(vacuum_template(config), _calibration(config))


def _calibration(config: Config) -> Calibration | None:
    path = config.analysis.calibration.file
    return load_calibration(Path(path)) if path else None


class FilesOfScans:
    """Reads the named files for one scan after the other; one that has become unusable ends nothing.

    Examples
    --------
    >>> files = FilesOfScans()
    >>> files.read(Config()), files.problems
    (NamedFiles(template=None, calibration=None), [])
    """

    def __init__(self) -> None:
        self._known = NamedFiles()
        self.problems: list[str] = []
        """Which files of the scan that was read for last could not be used, and what is used instead."""

    def read(self, config: Config) -> NamedFiles:
        """What they say now; of one that cannot be used, what it said before, or nothing."""
        self.problems = []
        self._known = NamedFiles(
            self._used(vacuum_template, config, self._known.template),
            self._used(_calibration, config, self._known.calibration),
        )
        return self._known

    def _used(self, read: Callable[[Config], T], config: Config, before: T) -> T:
        try:
            return read(config)
        except ConfigError as error:
            instead = "the scan goes on without it" if before is None else "what it said before is used"
            self.problems.append(f"{error}; {instead}")
            return before
