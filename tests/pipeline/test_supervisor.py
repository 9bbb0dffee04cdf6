"""Nothing of a pipeline starts that could take frames from another one."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import PipelineError
from livebragg.pipeline.receiving import receiver
from livebragg.pipeline.runtime import Runtime
from livebragg.pipeline.supervisor import Supervisor
from livebragg.wire import sockets


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="lb-") as name:
        yield Path(name)


def config(folder: Path) -> Config:
    publish = {"feed": f"ipc://{folder}/feed", "control": f"ipc://{folder}/control"}
    stream = {"endpoint": f"ipc://{folder}/stream", "forward": f"ipc://{folder}/forward"}
    return from_table(Config, {"publish": publish, "stream": stream})


@pytest.mark.parametrize("flag", ["feed", "control", "forward"])
def test_an_endpoint_in_use_is_refused_before_anything_starts(
    flag: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **_: started.append(args))
    with sockets.context() as ctx:
        taken = sockets.open_socket(ctx, sockets.XPUB, bind=f"ipc://{folder}/{flag}")
        with pytest.raises(PipelineError, match=rf"already runs at ipc://{folder}/{flag}: stop it, .* --{flag} "):
            Supervisor(config(folder)).__enter__()
        taken.close(0)
    assert started == []


def test_the_receiver_connects_to_the_detector_only_once_the_analyst_is_bound(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(folder, folder, config(folder), once=True, supervisor_pid=0)
    monkeypatch.setattr(Runtime, "orphaned", False)
    made: list[bool] = []

    class Fake:
        def __init__(self, *_: object) -> None:
            made.append(runtime.bound_file.exists())

        def run(self) -> None: ...
        def close(self) -> None: ...

    monkeypatch.setattr(receiver, "Receiver", Fake)
    threading.Timer(0.2, runtime.bound_file.touch).start()
    receiver.run_receiver(runtime)
    assert made == [True]
