"""The probe from the file of vacuum frames that the configuration names."""

from __future__ import annotations

from livebragg.config.schema import Config
from livebragg.detect import ProbeTemplate, measure_vacuum_probe
from livebragg.errors import ConfigError, LiveBraggError
from livebragg.storage.frame_file import read_frames


def vacuum_template(config: Config) -> ProbeTemplate | None:
    """What ``probe.vacuum_file`` shows; ``None`` where it is not set.

    Raises
    ------
    ConfigError
        The file is missing, cannot be read, or shows no probe; the text names the key and the file.
    """
    path = config.probe.vacuum_file
    if path is None:
        return None
    try:
        return measure_vacuum_probe(read_frames(path), detection=config.detection)
    except LiveBraggError as error:
        said = str(error).removeprefix(str(path)).strip()
        raise ConfigError(
            f"probe.vacuum_file {path}: {said}; or leave out probe.vacuum_file, so that a disk is measured "
            "from the first frames"
        ) from error
