"""The probe from a file of vacuum frames: in a worker, and over a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import ConfigError
from livebragg.pipeline.offline import process_recording
from livebragg.pipeline.vacuum_file import vacuum_template
from livebragg.pipeline.worker import WorkerStage
from livebragg.storage.frame_log import FrameLogReader
from livebragg.storage.recordings import open_recording
from probe_images import bullseye, recorded

SHAPE = (64, 60)


def config(path: Path | str, **probe: Any) -> Config:
    return from_table(
        Config, {"probe": {"vacuum_file": str(path), **probe}, "dispatch": {"workers": 1, "batch_frames": 4}}
    )


@pytest.fixture
def vacuum(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    places = [tuple(place) for place in rng.normal([31.2, 29.4], 0.5, (8, 2))]
    frames = [rng.poisson(2e4 * recorded(bullseye(8.0), place, 0.5, SHAPE)) for place in places]
    np.save(tmp_path / "vacuum.npy", np.array(frames, np.uint16))
    return tmp_path / "vacuum.npy"


def test_without_a_file_there_is_no_template() -> None:
    assert vacuum_template(Config()) is None


def test_a_file_makes_a_template_for_worker_and_recording(vacuum: Path, tmp_path: Path) -> None:
    template = vacuum_template(config(vacuum))
    assert template is not None
    assert template.structured
    mean = np.tile(5e3 * recorded(bullseye(8.0), (33.0, 27.0), 0.5, SHAPE), (2, 3, 1, 1))
    mean[1, 2] += 2e3 * recorded(bullseye(8.0), (13.0, 27.0), 0.5, SHAPE)
    scan = np.random.default_rng(1).poisson(mean)
    np.save(tmp_path / "scan.npy", scan.astype(np.uint16))
    with open_recording(tmp_path / "scan.npy") as recording:
        process_recording(recording, config(vacuum), tmp_path / "r.h5", lambda *_: None)
    with h5py.File(tmp_path / "r.h5") as file:
        found: dict[str, Any] = {}
        file.visititems(lambda _, item: found.update(item.attrs))
    assert found["probe_radius"] == pytest.approx(template.radius)
    np.testing.assert_allclose(found["probe_center"], (33.0, 27.0), atol=0.3)


@pytest.mark.parametrize("kind", ["missing", "text", "dark"])
def test_a_file_that_shows_no_probe_names_key_and_path(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.npy"
    if kind == "text":
        path.write_text("no array")
    elif kind == "dark":
        np.save(path, np.zeros((3, 32, 32), np.uint16))
    log = FrameLogReader(tmp_path)
    for use in (vacuum_template, lambda c: WorkerStage("w0", c, log)):
        with pytest.raises(ConfigError, match=r"probe\.vacuum_file .*leave out probe\.vacuum_file") as caught:
            use(config(path))
        assert str(path) in str(caught.value)
    log.close()


@pytest.mark.parametrize("probe", [{"radius": 3.0}, {"edge_width": 0.5}])
def test_a_file_and_a_size_contradict_each_other(probe: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"probe\.vacuum_file .*left out, or probe\.radius"):
        config("v.npy", **probe)


def test_an_empty_name_is_no_file() -> None:
    with pytest.raises(ConfigError, match=r"probe\.vacuum_file"):
        config("")
