"""How a delimited file is written, and which of its columns are wanted as what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from recbench.errors import DataError, suggestion

Kind = Literal["int", "float", "text", "number id", "key", "guess"]

INNER = "\x1f"  # stands in for a separator of two characters
TYPES: dict[str, type[pl.DataType]] = {
    "int": pl.Int64,
    "float": pl.Float64,
    "text": pl.String,
    "number id": pl.String,
}


@dataclass(frozen=True)
class Layout:
    """How a file is written, and which of its columns are wanted.

    Without a header, `columns` names every field of a line, in order; with one, the columns wanted, in any order.
    Kind "key" is int where every value of the file is written as one, else text, of which NaN is empty where all
    values are numbers ("number id"); "guess" may also be float.
    """

    columns: Mapping[str, Kind]
    header: bool
    keep: Sequence[str] | None = None  # default: all of `columns`
    required: Sequence[str] = ()  # columns without empty fields
    unique: str | None = None  # a column without repeated values
    separator: str = ","
    encoding: str = "utf-8"
    quote: str = '"'  # around fields that hold separators, line breaks or quotes; "" if there is no such thing
    decimal: str = "."  # before the fraction of a number
    null_values: Sequence[str] = ()  # what stands for an empty field, beside nothing

    @property
    def delimiter(self) -> str:
        """One byte between the fields, once the text is decoded."""
        return self.separator if len(self.separator.encode()) == 1 else INNER

    @property
    def wanted(self) -> Sequence[str]:
        """The columns to return."""
        return list(self.columns) if self.keep is None else self.keep


def missing_column(path: Path, name: str, names: Sequence[str]) -> DataError:
    """Return the error for a column that a file should have."""
    same = [other for other in names if other.strip().casefold() == name.casefold()]
    guess = f"did you mean `{same[0]}`? " if same else suggestion(name, names)
    between = next((mark for mark in ("\t", ";", "|") if len(names) == 1 and name in names[0].split(mark)), None)
    if between is not None:
        guess = f"say separator = {json.dumps(between)} in the catalogue; "
    return DataError(f"{path}, line 1: no column `{name}`; {guess}it has {', '.join(names)}")


def check_names(path: Path, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise DataError for a wanted column that a file lacks, or has twice."""
    for name in wanted:
        if name not in names:
            raise missing_column(path, name, names)
        if names.count(name) > 1:
            raise DataError(f"{path}, line 1: `{name}` stands twice; rename or remove one of the two columns")
