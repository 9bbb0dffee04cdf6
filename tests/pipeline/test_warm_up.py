"""Everything that is compiled is compiled before the first frame comes."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import importlib, pkgutil, tempfile
from pathlib import Path
import numpy as np
import livebragg.kernels
from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.pipeline.offline import process_recording
from livebragg.pipeline.warm_up import warm_up_analysis, warm_up_detection
from livebragg.storage.recordings import open_recording
from livebragg_simulators.specimen import Specimen, SpecimenConfig

def compiled():
    found = set()
    for module in pkgutil.iter_modules(livebragg.kernels.__path__):
        kernels = vars(importlib.import_module(f"livebragg.kernels.{module.name}"))
        for name, kernel in kernels.items():
            if kernel.__class__.__name__ == "CPUDispatcher" and kernel.__module__.endswith(module.name):
                found |= {(name, str(signature)) for signature in kernel.signatures}
    return found

config = from_table(Config, {"dispatch": {"workers": 1}})
warm_up_detection(config)
warm_up_analysis(config)
before = compiled()
folder = Path(tempfile.mkdtemp())
specimen = SpecimenConfig.preset("demo", scan_shape=(20, 20), frame_shape=(96, 96), probe_radius=3.0)
Specimen(specimen).write_recording(folder / "scan.h5", exact=False)
with open_recording(folder / "scan.h5") as recording:
    process_recording(recording, config, folder / "results.h5", lambda *_: None)
assert len(before) > 20, before
for name, signature in sorted(compiled() - before):
    print(name, signature)
"""


def test_a_scan_meets_no_kernel_that_is_still_to_be_compiled() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
