"""Configuration to TOML, each key with its documentation: makes ``config/default.toml``."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from dataclasses import fields, is_dataclass
from typing import Any

from livebragg.config.schema import Config

_HEADER = """\
# Every key of livebragg's configuration with its default. Generated: livebragg check-config --print-defaults
# A configuration file needs only the keys that differ. Keys that are commented out have no fixed value: they
# are measured, taken from the stream, or chosen by the program.
"""


def to_table(config: Any) -> dict[str, Any]:
    """Nested plain values (tuples as lists, ``None`` left out), as a TOML file would hold them."""
    table: dict[str, Any] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            table[f.name] = to_table(value)
        elif value is not None:
            table[f.name] = list(value) if isinstance(value, tuple) else value
    return table


def to_toml(config: Config) -> str:
    """The whole configuration as a documented TOML text."""
    return _HEADER + "".join(_sections(config, ""))


def _sections(section: Any, name: str) -> list[str]:
    docs = _field_docs(type(section))
    lines = [f"\n[{name}]\n"] if name else []
    nested: list[str] = []
    for f in fields(section):
        value = getattr(section, f.name)
        dotted = f"{name}.{f.name}" if name else f.name
        if is_dataclass(value):
            nested += _sections(value, dotted)
            continue
        lines += [f"# {line}\n" for line in textwrap.wrap(docs.get(f.name, ""), 100)]
        lines.append(f"# {f.name} =\n" if value is None else f"{f.name} = {_toml(value)}\n")
    return lines + nested


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)


def _field_docs(kind: type[Any]) -> dict[str, str]:
    """Text of the string below each field of a dataclass."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for field_, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field_, ast.AnnAssign)
            and isinstance(field_.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            words = " ".join(str(text.value.value).split())
            docs[field_.target.id] = words.replace("``None``", "left out").replace("``", "")
    return docs
