"""Frozen dataclasses to JSON and back; what is read must match the declared fields exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from recbench.errors import DataError, UsageError

T = TypeVar("T")
Reader = Callable[[Any], Any]  # JSON value → field value; raises ValueError

WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}


def encode(value: Any) -> Any:
    """Return the JSON form of a dataclass, mapping, list, tuple or plain value; NaN and infinity as null."""
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: encode(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [encode(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def decode(cls: type[T], data: object, where: str) -> T:
    """Return the dataclass that `encode` made `data` of; null reads as NaN where a number is expected.

    Raises DataError that names `where` for a field that is unknown, missing or of another type.
    """
    try:
        return cast(T, _reader(cast(Any, cls))(data))
    except (ValueError, UsageError) as error:
        raise DataError(f"{where}: damaged ({error})") from None


@cache
def _reader(kind: Any) -> Reader:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) or is_typeddict(kind):
        return _read_fields(cast(type, kind))
    if origin in (list, tuple):
        return _read_list(origin, _reader(arguments[0]))
    if origin is not None and issubclass(origin, Mapping):
        return _read_mapping(_reader(arguments[1]))
    if kind is float:
        return _read_number
    return _read_plain(arguments if origin in (Union, UnionType) else (kind,))


def _read_fields(cls: type) -> Reader:
    readers = {name: _reader(kind) for name, kind in get_type_hints(cls).items()}

    def read(data: Any) -> Any:
        if type(data) is not dict:
            raise ValueError(f"expected an object, found {_short(data)}")
        if data.keys() != readers.keys():
            for kind, names in (
                ("unknown", data.keys() - readers.keys()),
                ("missing", readers.keys() - data.keys()),
            ):
                if names:
                    raise ValueError(f"{kind} field `{min(names)}`")
        values = {}
        for name, reader in readers.items():
            try:
                values[name] = reader(data[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return cls(**values)

    return read


def _read_list(kind: type, member: Reader) -> Reader:
    def read(data: Any) -> Any:
        if type(data) is not list:
            raise ValueError(f"expected a list, found {_short(data)}")
        return kind(map(member, data))

    return read


def _read_mapping(member: Reader) -> Reader:
    def read(data: Any) -> Any:
        if type(data) is not dict:
            raise ValueError(f"expected an object, found {_short(data)}")
        return {name: member(value) for name, value in data.items()}

    return read


def _read_number(data: Any) -> float:
    if data is None:
        return math.nan
    if type(data) is not float and type(data) is not int:
        raise ValueError(f"expected {WORDS[float]}, found {_short(data)}")
    return float(data)


def _read_plain(kinds: tuple[type, ...]) -> Reader:
    allowed = frozenset(kinds)

    def read(data: Any) -> Any:
        if type(data) not in allowed:
            expected = " or ".join(WORDS[kind] for kind in kinds)
            raise ValueError(f"expected {expected}, found {_short(data)}")
        return data

    return read


def _short(data: object) -> str:
    text = repr(data)
    return text if len(text) <= 40 else text[:37] + "..."
