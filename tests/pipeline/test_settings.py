"""Settings that change while frames come: checked like a file's, and nothing else can be changed."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import ConfigError
from livebragg.model import Calibration, EllipseEstimate
from livebragg.pipeline.analyst import Analyst
from livebragg.pipeline.health import Notices
from livebragg.pipeline.named_files import FilesOfScans
from livebragg.pipeline.settings import LIVE, LiveSettings
from livebragg.storage.calibration_file import save_calibration

CALIBRATION = "analysis.calibration."


def test_every_key_is_one_of_the_configuration_and_is_told_with_its_value() -> None:
    values = LiveSettings(Config()).values
    assert set(values) <= set(LIVE)
    assert values["detection.false_disks_per_frame"] == 0.1
    assert values["analysis.calibration.flip"] is False
    assert "analysis.calibration.q_pixel_size_inv_angstrom" not in values


def test_several_change_together_and_the_rest_stays() -> None:
    live = LiveSettings(from_table(Config, {"detection": {"max_disks_per_frame": 9}}))
    changed = live.changed({"detection.false_disks_per_frame": 1, "analysis.families.separation": 4.5})
    assert (changed.detection.false_disks_per_frame, changed.detection.max_disks_per_frame) == (1.0, 9)
    assert changed.analysis.families.separation == 4.5
    assert live.values["analysis.families.separation"] == 6.0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "nothing to change"),
        ({"detection.false_disks_per_frame": 1e9}, r"false_disks_per_frame is 1000000000\.0.*between 0.*1000"),
        ({"detection.false_disks_per_frame": float("nan")}, "false_disks_per_frame is nan"),
        ({"detection.false_disks_per_frame": "many"}, "must be a number, not 'many'"),
        ({"detection.false_disks_per_frame": True}, "must be a number, not True"),
        ({"analysis.classify.max_classes": 0}, "max_classes = 0 cannot be used: it must be at least 1"),
        ({"analysis.classify.max_classes": 1.5}, "must be a whole number"),
        ({CALIBRATION + "ellipse": "round"}, "'measure'.*not 'round'"),
        ({CALIBRATION + "reference_spacing_angstrom": 2.0}, "given together"),
        ({CALIBRATION + "flip": 1}, "must be true or false"),
        ({CALIBRATION + "fil": "x"}, "did you mean"),
        ({"results.directory": "/"}, "cannot be changed while the pipeline runs; these can"),
        ({"a" * 60_000: 1}, "cannot be changed"),
        ({"__class__": 1}, "cannot be changed"),
    ],
)
def test_what_cannot_be_used_names_key_value_and_limit(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        LiveSettings(Config()).changed(values)
    assert len(str(caught.value)) < 1000


def test_the_newer_wish_for_the_pixel_size_replaces_the_older() -> None:
    live = LiveSettings(from_table(Config, {"analysis": {"calibration": {"q_pixel_size_inv_angstrom": 0.02}}}))
    ring = {CALIBRATION + "reference_spacing_angstrom": 2.0, CALIBRATION + "reference_radius_px": 25.0}
    live.config = live.changed(ring)
    assert live.config.analysis.calibration.q_pixel_size_inv_angstrom is None
    live.config = live.changed({CALIBRATION + "q_pixel_size_inv_angstrom": 0.03})
    assert live.config.analysis.calibration.reference_radius_px is None


def test_a_calibration_file_goes_on_for_what_is_not_changed(tmp_path: Path) -> None:
    known = Calibration(
        ellipse=EllipseEstimate.from_axes(1.04, 20.0, "rings", error=0.001), q_pixel_size_inv_angstrom=0.021,
        rotation_deg=12.0, flip=True,
    )  # fmt: skip
    save_calibration(tmp_path / "c.json", known)
    live = LiveSettings(from_table(Config, {"analysis": {"calibration": {"file": str(tmp_path / "c.json")}}}))
    made = live.changed({CALIBRATION + "rotation_deg": -30.0}).analysis.calibration
    assert (made.file, made.ellipse, made.flip, made.rotation_deg) == ("", "given", True, -30.0)
    assert (made.ellipse_ratio, made.q_pixel_size_inv_angstrom) == pytest.approx((1.04, 0.021))
    (tmp_path / "c.json").unlink()
    live.filed = known  # as it was read before
    again = live.changed({CALIBRATION + "rotation_deg": 1.0}).analysis.calibration
    assert again.ellipse_ratio == made.ellipse_ratio


def test_without_its_calibration_file_a_scan_can_be_calibrated_by_hand(tmp_path: Path) -> None:
    table = {"file": str(tmp_path / "none.json"), "ellipse": "none"}
    live = LiveSettings(from_table(Config, {"analysis": {"calibration": table}}))
    made = live.changed({CALIBRATION + "q_pixel_size_inv_angstrom": 0.02}).analysis.calibration
    assert (made.file, made.ellipse, made.q_pixel_size_inv_angstrom) == ("", "none", 0.02)


def test_a_file_that_could_not_be_read_is_left_out_of_this_scan_and_looked_for_again_in_the_next(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "none.json")
    live = LiveSettings(from_table(Config, {"analysis": {"calibration": {"file": path}}}))
    live.config = live.changed({"detection.false_disks_per_frame": 0.5})
    assert live.for_scan(live.config).analysis.calibration.file == ""
    assert live.config.analysis.calibration.file == path
    live.filed = Calibration(rotation_deg=12.0)  # it was repaired
    assert live.for_scan(live.config).analysis.calibration.file == path


def test_the_analyst_reads_a_repaired_calibration_file_for_the_next_scan(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    analyst = Analyst.__new__(Analyst)  # no sockets
    config = from_table(Config, {"analysis": {"calibration": {"file": str(path)}}})
    analyst._settings, analyst._files, analyst._notices = LiveSettings(config), FilesOfScans(), Notices()
    assert analyst._read_files(1).calibration is None
    assert "goes on without it" in analyst._cautions[1][0]
    assert analyst._read_files(2).calibration is None
    assert "goes on without it" in analyst._cautions[2][0]
    save_calibration(path, Calibration(rotation_deg=12.0))
    known = analyst._read_files(3).calibration
    assert known is not None and known.rotation_deg == 12.0 and analyst._cautions == {}


_ANY = st.one_of(
    st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.floats(), st.text(max_size=30)
)  # what the wire can carry


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(LIVE), _ANY, max_size=4))
def test_any_value_is_used_or_refused_and_never_breaks_anything(values: dict[str, Any]) -> None:
    live = LiveSettings(Config())
    try:
        changed = live.changed(values)
    except ConfigError:
        return
    assert all(hasattr(changed, f.name) for f in fields(Config))
