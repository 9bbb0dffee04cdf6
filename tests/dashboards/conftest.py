"""What the tests of the dashboard share: a fake pipeline, and the folder they import it from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_pipeline import FakePipeline
from fake_scene import Scene


@pytest.fixture(scope="session")
def scene() -> Scene:
    """A specimen on a scan and frames that are not square."""
    return Scene((18, 27), (48, 64), 4)


@pytest.fixture
def pipeline(scene: Scene) -> Iterator[FakePipeline]:
    """A pipeline half-way through a slow scan."""
    with FakePipeline(scene, rate_hz=20.0, interval_s=0.1, start=240) as fake:
        yield fake
