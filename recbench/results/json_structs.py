"""Frozen dataclasses to JSON values and back; what is read must have the declared fields exactly."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from recbench.errors import DataError, UsageError

T = TypeVar("T")

_BYTES = msgspec.json.Encoder(order="sorted")


def encode(value: object) -> Any:
    """Return a dataclass as JSON values."""
    return msgspec.to_builtins(value, builtin_types=())


def decode(cls: type[T], data: object, where: str) -> T:
    """Return the dataclass that `encode` made `data` of.

    Raises DataError that names `where` for a field that is unknown, missing or of another type.
    """
    try:
        value = msgspec.convert(data, cls)
    except (msgspec.ValidationError, UsageError) as error:
        raise DataError(f"{where}: damaged ({error})") from None
    expected = encode(value)
    if _BYTES.encode(expected) != _BYTES.encode(data):  # nearly always equal, and far cheaper than the walk
        stray = _stray(expected, data)
        if stray is not None:
            raise DataError(f"{where}: damaged (unknown or missing field `{stray}`)")
    return value


def _stray(expected: Any, found: Any) -> str | None:
    """Return the first key that only one of two nested JSON values has."""
    if isinstance(expected, dict):
        for key in sorted(expected.keys() ^ found.keys()):
            return str(key)
        pairs = [(expected[key], found[key]) for key in expected]
    elif isinstance(expected, list):
        pairs = list(zip(expected, found, strict=True))
    else:
        return None
    return next((stray for stray in (_stray(*pair) for pair in pairs) if stray is not None), None)
