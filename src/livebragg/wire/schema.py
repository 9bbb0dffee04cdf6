"""Turns the annotations of a message class into checked readers and writers for its fields.

A writer makes a value msgpack can pack, putting arrays and bytes aside as raw parts. A reader does the
reverse, and refuses whatever does not fit the annotation, naming the field.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from reprlib import Repr
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from livebragg.errors import LiveBraggError, MalformedMessageError

MAX_STRING = 1 << 16
MAX_ITEMS = 1 << 17
MAX_DIMENSIONS = 4

Parts = list[Any]
Reader = Callable[[Any, str, Parts], Any]
Writer = Callable[[Any, Parts], Any]


_SHOW = Repr()
_SHOW.maxlevel, _SHOW.maxstring, _SHOW.maxother = 3, 60, 60


def shown(value: object) -> str:
    """Text of a value from outside for a message: short, however large, long or deeply nested the value is."""
    try:
        text = _SHOW.repr(value)
    except ValueError:  # a whole number of thousands of digits
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= 80 else text[:77] + "..."


def _refuse(path: str, value: object, wanted: str) -> MalformedMessageError:
    return MalformedMessageError(f"field {path!r} must be {wanted}, not {shown(value)}")


# ---------------------------------------------------------------------------------------------- scalars
def _read_bool(value: Any, path: str, parts: Parts) -> bool:
    if type(value) is not bool:
        raise _refuse(path, value, "true or false")
    return value


def _read_int(value: Any, path: str, parts: Parts) -> int:
    if type(value) is not int:
        raise _refuse(path, value, "an integer")
    return value


def _read_float(value: Any, path: str, parts: Parts) -> float:
    if type(value) not in (int, float):
        raise _refuse(path, value, "a number")
    return float(value)


def _read_str(value: Any, path: str, parts: Parts) -> str:
    if type(value) is not str or len(value) > MAX_STRING:
        raise _refuse(path, value, f"a string of at most {MAX_STRING} characters")
    return value


def _read_bytes(value: Any, path: str, parts: Parts) -> bytes:
    """A few bytes within the header; what is large is annotated ``bytes | memoryview`` and is a raw part."""
    if type(value) is not bytes:
        raise _refuse(path, value, "binary")
    return value


def _enum_reader(kind: type[StrEnum]) -> Reader:
    def read(value: Any, path: str, parts: Parts) -> StrEnum:
        try:
            return kind(value)
        except ValueError:
            raise _refuse(path, value, "one of " + ", ".join(kind)) from None

    return read


# ------------------------------------------------------------------------------------------- raw parts
def _read_part(value: Any, path: str, parts: Parts) -> Any:
    index = value.get("part") if isinstance(value, dict) else None
    if type(index) is not int or not 0 <= index < len(parts):
        raise _refuse(path, value, f'{{"part": k}} with k below the {len(parts)} raw parts of the message')
    return parts[index]


def _array_reader(dtype: np.dtype[Any]) -> Reader:
    def read(value: Any, path: str, parts: Parts) -> Any:
        part = _read_part(value, path, parts)
        shape = value.get("shape")
        if value.get("dtype") != dtype.name:
            raise _refuse(f"{path}.dtype", value.get("dtype"), dtype.name)
        if (
            not isinstance(shape, list)
            or len(shape) > MAX_DIMENSIONS
            or not all(type(n) is int and 0 <= n < 1 << 32 for n in shape)
        ):
            raise _refuse(f"{path}.shape", shape, f"a list of at most {MAX_DIMENSIONS} sizes")
        wanted = dtype.itemsize
        for n in shape:
            wanted *= n
        if memoryview(part).nbytes != wanted:
            raise MalformedMessageError(
                f"array {path!r} of shape {shape} and type {dtype.name} needs {wanted} bytes, its part has "
                f"{memoryview(part).nbytes}"
            )
        try:
            array = np.frombuffer(part, dtype).reshape(shape)
        except ValueError:  # no bytes at all, but the other sides are too long for any array
            raise _refuse(f"{path}.shape", shape, "a shape an array can have") from None
        if not array.flags.aligned:
            array = array.copy()
        array.flags.writeable = False
        return array

    return read


def _array_writer(dtype: np.dtype[Any]) -> Writer:
    def write(value: Any, parts: Parts) -> Any:
        array = np.ascontiguousarray(value, dtype)
        parts.append(array.reshape(-1).view(np.uint8).data if array.size else b"")
        return {"part": len(parts) - 1, "dtype": dtype.name, "shape": list(array.shape)}

    return write


def _write_bytes(value: Any, parts: Parts) -> Any:
    parts.append(value)
    return {"part": len(parts) - 1}


# ------------------------------------------------------------------------------------------ containers
def _list_codec(item: Any, make: Callable[[Any], Any], count: int | None) -> tuple[Reader, Writer]:
    read_item, write_item = codec_of(item)

    def read(value: Any, path: str, parts: Parts) -> Any:
        if not isinstance(value, list) or len(value) > MAX_ITEMS or (count and len(value) != count):
            raise _refuse(path, value, f"a list of {count or f'at most {MAX_ITEMS}'} items")
        return make(read_item(v, f"{path}[{i}]", parts) for i, v in enumerate(value))

    def write(value: Any, parts: Parts) -> Any:
        return [write_item(v, parts) for v in value]

    return read, write


def _dict_codec(item: Any) -> tuple[Reader, Writer]:
    read_item, write_item = codec_of(item)

    def read(value: Any, path: str, parts: Parts) -> Any:
        if not isinstance(value, dict) or len(value) > MAX_ITEMS:
            raise _refuse(path, value, f"a map of at most {MAX_ITEMS} items")
        return {_read_str(k, path, parts): read_item(v, f"{path}.{k}", parts) for k, v in value.items()}

    def write(value: Any, parts: Parts) -> Any:
        return {k: write_item(v, parts) for k, v in value.items()}

    return read, write


def _union_codec(options: tuple[Any, ...]) -> tuple[Reader, Writer]:
    solid = [o for o in options if o is not types.NoneType]
    optional = len(solid) < len(options)
    if bytes in solid:  # bytes | memoryview: a raw part, whatever holds it
        return _read_part, _write_bytes
    if len(solid) > 1:  # float | str, bool | int | float | str
        readers = {kind: _SCALARS[kind][0] for kind in solid}

        def read_any(value: Any, path: str, parts: Parts) -> Any:
            return readers.get(type(value), readers[float])(value, path, parts)

        return read_any, _write_plain
    read_solid, write_solid = codec_of(solid[0])

    def read(value: Any, path: str, parts: Parts) -> Any:
        return None if value is None and optional else read_solid(value, path, parts)

    def write(value: Any, parts: Parts) -> Any:
        return None if value is None else write_solid(value, parts)

    return read, write


def _dataclass_codec(kind: type[Any]) -> tuple[Reader, Writer]:
    codecs = {f.name: codec_of(hint) for f, hint in zip(fields(kind), _hints(kind), strict=True)}
    required = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}

    def read(value: Any, path: str, parts: Parts) -> Any:
        if not isinstance(value, dict):
            raise _refuse(path, value, "a map")
        missing = sorted(required - value.keys())
        if missing:
            raise MalformedMessageError(f"{path or kind.__name__} lacks the field {missing[0]!r}")
        prefix = f"{path}." if path else ""
        known = {
            name: reader(value[name], prefix + name, parts)
            for name, (reader, _) in codecs.items()
            if name in value
        }
        try:
            return kind(**known)
        except MalformedMessageError:
            raise
        except LiveBraggError as error:
            raise MalformedMessageError(f"{path or kind.__name__}: {error}") from None

    def write(value: Any, parts: Parts) -> Any:
        return {name: writer(getattr(value, name), parts) for name, (_, writer) in codecs.items()}

    return read, write


def _hints(kind: type[Any]) -> list[Any]:
    hints = get_type_hints(kind)
    return [hints[f.name] for f in fields(kind)]


def _write_plain(value: Any, parts: Parts) -> Any:
    return value


_MADE: dict[Any, tuple[Reader, Writer]] = {}
_SCALARS: dict[Any, tuple[Reader, Writer]] = {
    bool: (_read_bool, _write_plain),
    int: (_read_int, lambda value, parts: int(value)),
    float: (_read_float, lambda value, parts: float(value)),
    str: (_read_str, _write_plain),
    bytes: (_read_bytes, _write_plain),
}


def codec_of(hint: Any) -> tuple[Reader, Writer]:
    """Reader and writer of one annotated type."""
    if hint not in _MADE:
        _MADE[hint] = _make_codec(hint)
    return _MADE[hint]


def _make_codec(hint: Any) -> tuple[Reader, Writer]:
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union_codec(args)
    if origin is np.ndarray:
        dtype = np.dtype(get_args(args[1])[0])
        return _array_reader(dtype), _array_writer(dtype)
    if origin is list:
        return _list_codec(args[0], list, None)
    if origin is tuple:
        return _list_codec(args[0], tuple, None if args[-1] is ... else len(args))
    if origin is dict:
        return _dict_codec(args[1])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum_reader(hint), lambda value, parts: str(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return _dataclass_codec(hint)
    raise TypeError(f"no wire form for {hint!r}")
