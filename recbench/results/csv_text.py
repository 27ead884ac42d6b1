"""Rows as CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from csv import QUOTE_ALL, DictWriter
from io import StringIO
from typing import Any


def as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Return rows as CSV, by default with the columns of the first one.

    Text that a spreadsheet would take for a formula gets a '.
    """
    text = StringIO()
    writer = DictWriter(text, columns or (list(rows[0]) if rows else []), lineterminator="\n", quoting=QUOTE_ALL)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _csv_cell(value) for name, value in row.items()})
    return text.getvalue()


def _csv_cell(value: object) -> object:
    if isinstance(value, list):
        value = " ".join("" if member is None else str(member) for member in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
