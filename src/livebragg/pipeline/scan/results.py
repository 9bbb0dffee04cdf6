"""The results file of one acquisition: written as the scan goes; an error ends the writing, not the scan."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
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
    everything : callable
        Gives all that was found so far, for a file that has to be written anew.
    path : Path, optional
        File to write; by default the name follows from the configuration.
    """

    def __init__(
        self,
        opened: AcquisitionOpened,
        probe: ProbeShape,
        config: Config,
        warn: Callable[[str], None],
        everything: Callable[[], Iterable[DetectedBatch]],
        path: Path | None = None,
    ) -> None:
        self._flush_s = config.results.flush_s
        self._next_flush = time.monotonic() + self._flush_s
        self._warn = warn
        self._everything = everything
        self._open = partial(_open, opened=opened, probe=probe, config=config)
        self._wanted = path or _default_path(opened, config)
        self._writer: ResultsWriter | None = None
        self._given_up: Path | None = None
        """A file of this run that can be written no more."""
        self._ending: Callable[[ResultsWriter], None] | None = None
        """Writes the end, which is due and not in the file."""
        self.problem = ""
        """Why what was found is not in the file."""
        if config.results.write:
            with self._watched():
                self._writer = self._open(path or unique_path(self._wanted))

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
            self._flush()

    def save(self) -> None:
        """Bring the file up to date on disk now; what failed before is tried again."""
        if self.problem and self._writer is None:
            self._write_anew()
        self._flush()
        self._end()

    def finalize(self, snapshot: AnalysisSnapshot, **parts: Any) -> None:
        """Write the end; `parts` as for `ResultsWriter.finalize`. If it fails, `save` tries again."""
        if self._writer is not None or self.problem:
            self._ending = lambda writer: writer.finalize(snapshot, **parts)
            self.save()

    def _flush(self) -> None:
        self._next_flush = time.monotonic() + self._flush_s
        if self._writer is not None and self._writer.is_open:
            with self._watched():
                self._writer.flush()
                self._recovered()

    def _end(self) -> None:
        if self._ending is not None and self._writer is not None:
            with self._watched():
                self._ending(self._writer)
                self._ending = None
                self._recovered()

    def _recovered(self) -> None:
        if self.problem and self._writer is not None:
            self.problem = ""
            self._warn(f"results are written again: {self._writer.path} holds everything that was found")

    def _write_anew(self) -> None:
        """A file of everything that was found, in the place of one that was given up."""
        path = self._given_up or unique_path(self._wanted)
        with self._watched():
            before = _rename(path, f"{path.name}.before") if self._given_up is not None else None
            try:
                self._writer = self._filled(path)
            except ResultsError:
                if before is not None:
                    _rename(before, path.name)
                raise
            self._given_up = None
            _delete(before)
            self._recovered()

    def _filled(self, path: Path) -> ResultsWriter:
        writer = self._open(path)
        try:
            for batch in self._everything():
                writer.append(batch)
            writer.flush()
        except ResultsError:
            with suppress(ResultsError):
                writer.close()
            _delete(path)
            raise
        return writer

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
        """Close the file as it is; an end that could not be written is tried once more."""
        if self._ending is not None:
            self.save()
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
            if self._writer is not None and not self._writer.is_open:
                self._given_up, self._writer = self._writer.path, None


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


def _rename(path: Path, name: str) -> Path | None:
    """The path under its new name; ``None`` where it is gone."""
    try:
        return path.rename(path.with_name(name))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultsError(f"{path} cannot be renamed ({error.strerror}); make its folder writable") from error


def _delete(path: Path | None) -> None:
    if path is not None:
        with suppress(OSError):
            path.unlink()


def _default_path(opened: AcquisitionOpened, config: Config) -> Path:
    acquisition_id = opened.acquisition.acquisition_id
    safe_id = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in acquisition_id)
    name = config.results.name.format(
        acquisition_id=safe_id[:80],
        time=time.strftime("%Y%m%d-%H%M%S", time.localtime(opened.opened_at)),
        serial=opened.serial,
    )
    return Path(config.results.directory) / name
