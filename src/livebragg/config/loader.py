"""TOML and command-line values to typed configuration, refusing what it does not know."""

from __future__ import annotations

import sys
import tomllib
import types
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from livebragg.config.schema import Config
from livebragg.errors import ConfigError

T = TypeVar("T")


def load_config(path: Path | str | None = None) -> Config:
    """Configuration of a TOML file; the defaults without one.

    Raises
    ------
    ConfigError
        The file cannot be read, is no TOML, or has an unknown key or a wrong value; the text names the file,
        the key and the nearest valid name.
    """
    return Config() if path is None else load(path, Config)


def load(path: Path | str, kind: type[T]) -> T:
    """Configuration of one kind from a TOML file; errors as of `load_config`."""
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read configuration {path}: {error.strerror}") from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # TOMLDecodeError, and numbers of 5000 digits
        raise ConfigError(f"configuration {path} is not TOML: {error}") from None
    try:
        return from_table(kind, table)
    except ConfigError as error:
        raise ConfigError(f"configuration {path}: {error}") from None


def from_table(kind: type[T], table: dict[str, Any], base: T | None = None, where: str = "") -> T:
    """Build (or change, with `base`) a configuration object from nested tables."""
    hints = get_type_hints(kind)
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        dotted = f"{where}.{key}" if where else key
        if key not in names:
            near = [_elsewhere(kind, key, value)] if not where else []
            near = [name for name in near if name] or get_close_matches(key, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(names)}"
            raise ConfigError(f"unknown key {dotted!r}{hint}")
        current = getattr(base, key) if base is not None else None
        values[key] = _convert(hints[key], value, dotted, current)
    return replace(base, **values) if base is not None else kind(**values)  # type: ignore[type-var]


def _elsewhere(kind: type, key: str, value: Any) -> str:
    """Full name of what lies deeper in a configuration than it was looked for; empty when there is none."""
    for name, hint in get_type_hints(kind).items():
        for section in get_args(hint) or (hint,):
            if not is_dataclass(section) or not isinstance(section, type):
                continue
            if key in {field.name for field in fields(section)}:
                rest = [key]
                while isinstance(value, dict) and len(value) == 1:
                    (inner,) = value
                    rest, value = [*rest, inner], value[inner]
                return ".".join([name, *rest])
            if deeper := _elsewhere(section, key, value):
                return f"{name}.{deeper}"
    return ""


def _convert(hint: Any, value: Any, key: str, current: Any) -> Any:
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        if is_dataclass(option) and isinstance(option, type):
            if not isinstance(value, dict):
                raise ConfigError(f"{key} is a section; write [{key}] and its keys below it, not {value!r}")
            return from_table(option, value, current, key)
    for option in options:
        converted = _scalar(option, value)
        if converted is not None:
            return converted
    if value is None and types.NoneType in options:
        return None
    wanted = " or ".join(_name(o) for o in options if o is not types.NoneType)
    raise ConfigError(f"{key} must be {wanted}, not {value!r}")


def _scalar(option: Any, value: Any) -> Any:
    if option is bool:
        return value if isinstance(value, bool) else None
    if option is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > sys.float_info.max:
            return value if isinstance(value, float) else None  # infinity and NaN are for the sections to judge
        return float(value)
    if option is int:
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if option is str:
        return value if isinstance(value, str) else None
    if get_origin(option) is tuple:
        return _tuple(get_args(option), value)
    if get_origin(option) is Literal:
        return value if value in get_args(option) else None
    return None


def _tuple(kinds: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return None
    if kinds[-1] is ...:
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        return None
    items = [_scalar(kind, item) for kind, item in zip(kinds, value, strict=True)]
    return None if any(item is None for item in items) else tuple(items)


def _name(option: Any) -> str:
    if get_origin(option) is Literal:
        return " or ".join(map(repr, get_args(option)))
    if get_origin(option) is tuple:
        args = get_args(option)
        if args[-1] is ...:
            return f"a list of {_name(args[0])} values"
        return "[" + ", ".join(_name(a) for a in args) + "]"
    return {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}.get(
        option, str(option)
    )
