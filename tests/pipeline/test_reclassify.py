"""Live, offline and reclassified scans have the same classes; nothing that exists is changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livebragg.cli.main import main
from livebragg.detect import FrameAnalyzer
from livebragg.model import Acquisition, ProbeShape, ScanGeometry
from livebragg.pipeline.frame_lookup import RecordingLookup
from livebragg.pipeline.health import Notices
from livebragg.pipeline.scan.run import ScanRun
from livebragg.storage.recordings import open_recording
from livebragg.storage.results_reader import read_results
from livebragg.wire.messages import AcquisitionOpened
from small_scan import CONFIG, SCAN, SIZE, process, record


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("scan") / "scan.npy")


@pytest.fixture(scope="module")
def results(scan: Path) -> Path:
    return process(scan, scan.with_name("results.h5"))


def live(scan: Path, out: Path, batch: int, every: int) -> np.ndarray:
    """Labels of the same stream through the analyst's object, published after every so many batches."""
    probe = ProbeShape(radius=3.0, edge_width=0.5, center=(24.0, 24.0))
    opened = AcquisitionOpened(
        acquisition=Acquisition(acquisition_id="a", scan_shape=SCAN, frame_shape=(SIZE, SIZE), dtype="float32"),
        serial=1, geometry=ScanGeometry(scan_shape=SCAN), n_frames_expected=300, opened_at=0.0,
    )  # fmt: skip
    frames = np.load(scan).reshape(-1, SIZE, SIZE)
    with open_recording(scan) as recording:
        run = ScanRun(opened, probe, CONFIG, RecordingLookup(recording), Notices(), results_path=out)
        analyzer = FrameAnalyzer(probe, (SIZE, SIZE), CONFIG.detection, CONFIG.virtual, profile=CONFIG.profile)
        for number, first in enumerate(range(0, len(frames), batch)):
            part = frames[first : first + batch]
            run.add_batch(analyzer.analyze(part, np.arange(first, first + len(part))))
            if number % every == every - 1:
                run.publish(number, 0.0)
        run.finish(99, "complete", "", {})
        run.close()
        assert run.snapshot is not None
        return run.snapshot.labels


def same_classes(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the maps are equal up to the numbers of the classes."""
    pairs = set(zip(one.ravel().tolist(), other.ravel().tolist(), strict=True))
    return len(pairs) == len(np.unique(one)) == len(np.unique(other))


def test_a_live_run_in_the_same_steps_has_the_very_same_labels(scan: Path, results: Path, tmp_path: Path) -> None:
    final = read_results(results).final
    assert final is not None and final.snapshot.class_ids.size == 4
    np.testing.assert_array_equal(live(scan, tmp_path / "r.h5", 20, 1), final.snapshot.labels)


@pytest.mark.parametrize(("batch", "every"), [(7, 1), (13, 5), (300, 1)])
def test_the_classes_do_not_depend_on_how_often_a_live_run_looked(
    scan: Path, results: Path, tmp_path: Path, batch: int, every: int
) -> None:
    final = read_results(results).final
    assert final is not None
    assert same_classes(live(scan, tmp_path / "r.h5", batch, every), final.snapshot.labels)


def test_the_same_parameters_give_the_same_labels_again(results: Path, tmp_path: Path) -> None:
    before = results.read_bytes()
    disks_only = ["--set", "analysis.classify.forced_photometry=false"]
    assert main(["reclassify", str(results), "-o", str(tmp_path / "new.h5"), *disks_only]) == 0
    assert results.read_bytes() == before
    old, new = read_results(results), read_results(tmp_path / "new.h5")
    assert old.final is not None and new.final is not None
    np.testing.assert_array_equal(new.final.snapshot.labels, old.final.snapshot.labels)
    np.testing.assert_array_equal(new.vectors.peaks.qx, old.vectors.peaks.qx)
    np.testing.assert_allclose(new.final.snapshot.sum_pattern, old.final.snapshot.sum_pattern, rtol=1e-6)
    assert new.parameters["probe"] == old.parameters["probe"]
    assert new.final.snapshot.events[-1].kind == "classified_again"
    assert "classified again from results.h5" in new.reason


def test_other_parameters_give_other_classes(results: Path, tmp_path: Path) -> None:
    assert main(["reclassify", str(results), "-o", str(tmp_path / "n.h5"),
                 "--set", "analysis.classify.max_classes=1"]) == 0  # fmt: skip
    new = read_results(tmp_path / "n.h5")
    assert new.final is not None
    assert new.final.snapshot.class_families.count("crystal") == 1
    assert new.parameters["analysis"]["classify"]["max_classes"] == 1


def test_what_exists_is_never_replaced(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = results.read_bytes()
    assert main(["reclassify", str(results), "-o", str(results)]) == 1
    (tmp_path / "there.h5").write_bytes(b"precious")
    assert main(["reclassify", str(results), "-o", str(tmp_path / "there.h5")]) == 1
    assert main(["reclassify", str(tmp_path / "none.h5"), "-o", str(tmp_path / "x.h5")]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert results.read_bytes() == before
    assert (tmp_path / "there.h5").read_bytes() == b"precious"
    assert not (tmp_path / "x.h5").exists()


def test_locked_classes_keep_pattern_number_and_name(results: Path, tmp_path: Path) -> None:
    old = read_results(results).final
    assert old is not None
    number = int(old.snapshot.class_ids[[f == "crystal" for f in old.snapshot.class_families]][-1])
    options = ["--lock", str(number), "--set", "analysis.classify.n_classes=2"]
    assert main(["reclassify", str(results), "-o", str(tmp_path / "n.h5"), *options]) == 0
    new = read_results(tmp_path / "n.h5").final
    assert new is not None
    assert new.snapshot.class_families.count("crystal") == 2
    before = old.snapshot.labels == number
    assert (new.snapshot.labels == number)[before].mean() > 0.9
    k, o = new.snapshot.class_ids.tolist().index(number), old.snapshot.class_ids.tolist().index(number)
    np.testing.assert_allclose(
        np.sort(new.snapshot.class_patterns[k])[-10:], np.sort(old.snapshot.class_patterns[o])[-10:], atol=1e-3
    )
    assert new.class_names[k] == old.class_names[o]
    assert new.snapshot.events[-1].detail == f"results.h5, class {number} locked"


def test_a_class_that_is_not_there_cannot_be_locked(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reclassify", str(results), "-o", str(tmp_path / "n.h5"), "--lock", "99"]) == 1
    assert "no crystalline class 99" in capsys.readouterr().err
    assert not (tmp_path / "n.h5").exists()
