"""The numbers behind a picture as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from recbench.results.csv_text import as_csv


def csv(drawn: Sequence[Any]) -> str:
    """Return what was drawn as CSV: a line per smallest part, with the fields of the parts that it belongs to.

    Fields are named by what has them: the `mean` of a `Point` is `point_mean`, of the field `seconds` `seconds_mean`.
    """
    lines = [line for part in drawn for line in _lines(part, _name(part))]
    return as_csv(lines, tuple(dict.fromkeys(name for line in lines for name in line)))


def _lines(part: Any, prefix: str) -> Iterator[dict[str, Any]]:
    own: dict[str, Any] = {}
    parallel: dict[str, Sequence[Any]] = {}
    parts: list[Any] = []
    for field in fields(part):
        value = getattr(part, field.name)
        if is_dataclass(value):
            own |= {f"{field.name}_{inner.name}": getattr(value, inner.name) for inner in fields(value)}
        elif isinstance(value, list) and value and is_dataclass(value[0]):
            parts += value
        elif isinstance(value, list):
            parallel[f"{prefix}_{field.name}"] = value
        else:
            own[f"{prefix}_{field.name}"] = " ".join(map(str, value)) if isinstance(value, tuple) else value
    if parts:
        for inner in parts:
            yield from ({**own, **line} for line in _lines(inner, _name(inner)))
    elif parallel:
        for place, values in enumerate(zip(*parallel.values(), strict=True), start=1):
            yield {**own, f"{prefix}_place": place, **dict(zip(parallel, values, strict=True))}
    else:
        yield own


def _name(part: Any) -> str:
    """Return "method_cost" for a MethodCost."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(part).__name__).lower()
