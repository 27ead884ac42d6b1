"""Frozen dataclasses to JSON values and back; what is read must have the declared fields exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from recbench.errors import DataError, UsageError

T = TypeVar("T")

OPTIONAL: Mapping[str, Any] = MappingProxyType({"optional": True})  # of a field: left out of files at its default

_SORTED = msgspec.json.Encoder(order="sorted")


def encode(value: object) -> Any:
    """Return a dataclass as JSON values, without its OPTIONAL fields that have their default."""
    return _without_defaults(value, msgspec.to_builtins(value, builtin_types=()))


def _without_defaults(value: Any, content: Any) -> Any:
    for member in fields(value) if is_dataclass(value) else ():
        held = getattr(value, member.name)
        if member.metadata == OPTIONAL and held == member.default:
            content.pop(member.name, None)
        elif is_dataclass(held):
            _without_defaults(held, content[member.name])
    return content


def decode(cls: type[T], data: object, where: str) -> T:
    """Return the dataclass that `encode` made `data` of.

    Raises DataError that names `where` for a field that is unknown, missing, of another type or out of range.
    """
    try:
        value = msgspec.convert(data, cls)
    except (msgspec.ValidationError, UsageError) as error:
        raise DataError(f"{where}: damaged ({error})") from None
    expected = encode(value)
    if canonical(expected) != canonical(data):  # nearly always equal, and far cheaper than the walk
        field = _undeclared_field(expected, data)
        if field is not None:
            raise DataError(f"{where}: damaged (unknown or missing field `{field}`)")
    return value


def canonical(data: object) -> bytes:
    """Return JSON values as the same bytes, whatever the order of their fields."""
    return _SORTED.encode(data)


def printed(data: object) -> str:
    """Return JSON values as the text of a file."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def _undeclared_field(expected: Any, data: Any) -> str | None:
    """Return the first key that only one of two nested JSON values has."""
    if isinstance(expected, dict):
        for key in sorted(expected.keys() ^ data.keys()):
            return str(key)
        pairs = [(expected[key], data[key]) for key in expected]
    elif isinstance(expected, list):
        pairs = list(zip(expected, data, strict=True))
    else:
        return None
    return next((field for field in (_undeclared_field(*pair) for pair in pairs) if field is not None), None)
