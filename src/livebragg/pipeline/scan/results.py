"""The results file of one acquisition: written as the scan goes; an error ends the writing, not the scan."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livebragg.config.render import to_table
from livebragg.config.schema import Config
from livebragg.detect import profile_radii
from livebragg.errors import ResultsError
from livebragg.model import AnalysisSnapshot, DetectedBatch, ProbeShape
from livebragg.storage.results import ResultsWriter, unique_path
from livebragg.wire.messages import AcquisitionOpened


class RunResults:
    """What is written of a run.

    Parameters
    ----------
    opened : AcquisitionOpened
        The acquisition.
    probe : ProbeShape
        What detection uses.
    config : Config
        Goes into the file; says whether and where there is one.
    warn : callable
        Takes the text of what went wrong.
    path : Path, optional
        File to write; by default the name follows from the configuration.
    """

    def __init__(
        self,
        opened: AcquisitionOpened,
        probe: ProbeShape,
        config: Config,
        warn: Callable[[str], None],
        path: Path | None = None,
    ) -> None:
        self._flush_s = config.results.flush_s
        self._next_flush = time.monotonic() + self._flush_s
        self._warn = warn
        self._writer: ResultsWriter | None = None
        self.problem = ""
        """Why nothing more is written."""
        if config.results.write:
            with self._watched():
                self._writer = _open(path or unique_path(_default_path(opened, config)), opened, probe, config)

    @property
    def path(self) -> Path | None:
        """Where the results are written; ``None`` when they are not."""
        return None if self._writer is None else self._writer.path

    def append(self, batch: DetectedBatch) -> None:
        """Keep what was found at some positions."""
        if self._writer is not None:
            with self._watched():
                self._writer.append(batch)

    def flush(self) -> None:
        """Bring the file up to date on disk, every few seconds."""
        if time.monotonic() >= self._next_flush:
            self.save()

    def save(self) -> None:
        """Bring the file up to date on disk now."""
        self._next_flush = time.monotonic() + self._flush_s
        if self._writer is not None:
            with self._watched():
                self._writer.flush()

    def finalize(self, snapshot: AnalysisSnapshot, **parts: Any) -> None:
        """Write the end; `parts` as for `ResultsWriter.finalize`."""
        if self._writer is not None:
            with self._watched():
                self._writer.finalize(snapshot, **parts)

    def set_aside(self) -> tuple[Path | None, Path | None]:
        """Make room for another file of the same name; that name, and where this one lies until then."""
        if self._writer is None:
            return None, None
        path = self._writer.path
        self.close()
        self._writer = None
        before = path.with_name(f"{path.name}.before")
        try:
            return path, path.rename(before)
        except OSError as error:
            self._warn(f"{path} cannot be renamed ({error.strerror}); results go on in another file")
            return None, None

    def close(self) -> None:
        """Close the file as it is."""
        if self._writer is not None:
            with self._watched():
                self._writer.close()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except ResultsError as error:
            self.problem = f"results are not written: {error}"
            self._warn(self.problem)
            self._writer = None


def _open(path: Path, opened: AcquisitionOpened, probe: ProbeShape, config: Config) -> ResultsWriter:
    shape = opened.acquisition.frame_shape
    return ResultsWriter(
        path,
        opened.acquisition,
        opened.geometry.scan_shape,
        shape,
        parameters=to_table(config),
        profile_radii=profile_radii(shape, probe, config.profile),
    )


def _default_path(opened: AcquisitionOpened, config: Config) -> Path:
    acquisition_id = opened.acquisition.acquisition_id
    safe_id = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in acquisition_id)
    name = config.results.name.format(
        acquisition_id=safe_id[:80],
        time=time.strftime("%Y%m%d-%H%M%S", time.localtime(opened.opened_at)),
        serial=opened.serial,
    )
    return Path(config.results.directory) / name
