"""Configuration files: what is right is loaded, what is wrong is said with file, key, value and remedy."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebragg.config.loader import from_table, load_config
from livebragg.config.render import to_table, to_toml
from livebragg.config.schema import Config
from livebragg.errors import ConfigError, LiveBraggError

CONFIG_DIR = Path(__file__).resolve().parents[2] / "config"
SITE_FILES = sorted(CONFIG_DIR.glob("*.toml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def all_keys(kind: type[Any] = Config, where: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every key with the sections around it, and its type."""
    hints, found = get_type_hints(kind), {}
    for f in fields(kind):
        hint = hints[f.name]
        found |= all_keys(hint, (*where, f.name)) if is_dataclass(hint) else {(*where, f.name): hint}
    return found


KEYS = all_keys()
NUMBERS = [key for key, hint in KEYS.items() if hint in (float, float | None)]


def nested(keys: tuple[str, ...], value: object) -> dict[str, Any]:
    table: Any = value
    for key in reversed(keys):
        table = {key: table}
    return table  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------- files we ship
def test_the_default_file_is_the_code() -> None:
    shown = (CONFIG_DIR / "default.toml").read_text(encoding="utf-8")
    assert shown == to_toml(Config()), "run: livebragg check-config --print-defaults > config/default.toml"


@pytest.mark.parametrize("path", SITE_FILES, ids=lambda path: path.name)
def test_every_file_we_ship_is_right(path: Path) -> None:
    config = load_config(path)
    assert (config == Config()) == (path.name == "default.toml")


def test_there_are_site_files_to_begin_with() -> None:
    assert {"default.toml", "merlin_200kv_gold.toml", "arina_live.toml"} <= {p.name for p in SITE_FILES}


# -------------------------------------------------------------------------------------------- what is right
def test_without_a_file_the_defaults_hold() -> None:
    assert load_config(None) == Config()


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "")) == Config()


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    config = load_config(
        write(
            tmp_path,
            """
            [scan]
            shape = [64, 128]
            [probe]
            center = [31, 32.5]
            [detection]
            bad_pixels = [[3, 4], [5, 6]]
            [analysis.classify]
            feature = "boolean"
            [frame_log]
            when_full = "drop"
            [dispatch]
            flush_ms = 5
            """,
        )
    )
    assert config.scan.shape == (64, 128)
    assert config.probe.center == (31.0, 32.5)
    assert config.detection.bad_pixels == ((3, 4), (5, 6))
    assert config.analysis.classify.feature == "boolean"
    assert config.analysis.tracker == Config().analysis.tracker
    assert (config.frame_log.when_full, config.frame_log.capacity_mb) == ("drop", Config().frame_log.capacity_mb)
    assert type(config.dispatch.flush_ms) is float


def test_a_table_on_top_of_a_configuration_keeps_the_rest() -> None:
    base = from_table(Config, {"dispatch": {"workers": 3, "credits": 2}})
    changed = from_table(Config, {"dispatch": {"credits": 5}, "scan": {"shape": [2, 2]}}, base)
    assert (changed.dispatch.workers, changed.dispatch.credits, changed.scan.shape) == (3, 5, (2, 2))
    assert base.dispatch.credits == 2


# -------------------------------------------------------------------------------------------- what is wrong
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[dispatch]\nworker = 3", "unknown key 'dispatch.worker'; did you mean 'workers'?"),
        ("[classify]\nn_classes = 3", "unknown key 'classify'; did you mean 'analysis.classify.n_classes'?"),
        ("[dispach]\nworkers = 3", "unknown key 'dispach'; did you mean 'dispatch'?"),
        ("[analysis.clasify]\n", "unknown key 'analysis.clasify'; did you mean 'classify'?"),
        ("[publish]\nqqq = 1", "unknown key 'publish.qqq'; known here: feed, control, interval_s"),
        ("dispatch = 3", "dispatch is a section; write [dispatch] and its keys below it, not 3"),
        ("[dispatch]\nworkers = 'two'", "dispatch.workers must be a whole number, not 'two'"),
        ("[dispatch]\nworkers = 2.0", "dispatch.workers must be a whole number, not 2.0"),
        ("[dispatch]\nworkers = true", "dispatch.workers must be a whole number, not True"),
        ("[dispatch]\nflush_ms = false", "dispatch.flush_ms must be a number, not False"),
        ("[dispatch]\nworkers = -1", "dispatch.workers must be between 0 and 1024, not -1"),
        ("[dispatch]\njob_timeout_s = 0.1", "dispatch.job_timeout_s must be at least 0.5, not 0.1"),
        ("[scan]\nshape = [64]", "scan.shape must be [a whole number, a whole number], not [64]"),
        ("[scan]\nshape = [64, 0]", "scan.shape must have 1 to 16777216 positions, not [64, 0]"),
        ("[scan]\nshape = '64x64'", "scan.shape must be"),
        ("[scan]\nfallback_cols = 0", "scan.fallback_cols must be between 1"),
        ("[stream]\nendpoint = 7550", "stream.endpoint must be a string, not 7550"),
        ("[stream]\nquiet_warning_s = 0", "stream.quiet_warning_s must be at least 0.1, not 0"),
        ("[frame_log]\nwhen_full = 'wait'", "frame_log.when_full must be one of 'block', 'drop', not 'wait'"),
        ("[frame_log]\ncapacity_mb = 100", "frame_log.capacity_mb must be at least 128, not 100"),
        ("[results]\nname = '{date}.h5'", "only {acquisition_id}, {time} and {serial} are known"),
        ("[results]\nname = '{acquisition_id.x}.h5'", "results.name '{acquisition_id.x}.h5' cannot be filled in"),
        ("[results]\nname = '{.h5'", "results.name '{.h5' cannot be filled in"),
        ("[results]\nwrite = 1", "results.write must be true or false, not 1"),
        ("[publish]\ninterval_s = 0", "publish.interval_s must be between 0.02 and 60"),
        ("[probe]\ncenter = [1, 'a']", "probe.center must be [a number, a number]"),
        ("[detection]\nbad_pixels = [[1, 2, 3]]", "detection.bad_pixels must be"),
        ("[dispatch]\nworkers = 3\nworkers = 4", "is not TOML"),
        ("[dispatch\nworkers = 3", "is not TOML"),
        ("workers == 3", "is not TOML"),
        ("a = " + "9" * 5000, "is not TOML"),
        ("[dispatch]\nflush_ms = 1" + "0" * 400, "dispatch.flush_ms must be a number"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_value_and_remedy(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"configuration {path}")
    assert words in str(caught.value)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read configuration .*none\.toml: No such file or directory"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)
    path = tmp_path / "latin.toml"
    path.write_bytes("[results]\ndirectory = 'Übung'".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(path)


@pytest.mark.parametrize("keys", NUMBERS, ids=".".join)
def test_nan_is_never_a_configuration(keys: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=keys[-1]):
        from_table(Config, nested(keys, float("nan")))


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_value_under_any_key_is_taken_or_refused(data: st.DataObject) -> None:
    keys = data.draw(st.sampled_from(sorted(KEYS)))
    value = data.draw(
        st.one_of(
            st.integers(), st.floats(), st.text(), st.booleans(), st.lists(st.integers() | st.floats()),
            st.dictionaries(st.text(), st.integers()),
        )
    )  # fmt: skip
    try:
        config = from_table(Config, nested(keys, value))
    except LiveBraggError as error:
        assert isinstance(error, ConfigError)
        assert keys[-1] in str(error)
    else:
        assert from_table(Config, to_table(config)) == config
