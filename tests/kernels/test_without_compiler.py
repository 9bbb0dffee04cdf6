"""The detection kernels mean the same to Python as to the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = (
    "load",
    "sums",
    "background",
    "score",
    "maxima",
    "near",
    "fit",
    "find",
    "choose",
    "significance",
    "hot",
    "noise",
    "batch",
    "virtual",
    "photometry",
    "radial",
)


@pytest.mark.timeout(300)
@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="already running uncompiled")
@pytest.mark.parametrize("name", NAMES)
def test_the_kernels_of_a_frame_pass_their_tests_uncompiled(name):
    here = Path(__file__).with_name(f"test_{name}.py")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(here)]
    run = subprocess.run(
        command, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, cwd=here.parents[2], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
