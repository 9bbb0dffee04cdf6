"""The files that a configuration names, read once for each scan: nobody need keep them while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from livebragg.config.schema import Config
from livebragg.detect import ProbeTemplate
from livebragg.model import Calibration
from livebragg.pipeline.vacuum_file import vacuum_template
from livebragg.storage.calibration_file import load_calibration


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
    path = config.analysis.calibration.file
    return NamedFiles(vacuum_template(config), load_calibration(Path(path)) if path else None)
