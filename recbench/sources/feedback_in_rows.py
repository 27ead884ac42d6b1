"""Whether what is to count as feedback is found in the rows of a log."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import polars as pl

from recbench.errors import NEAREST, UsageError, first_few, suggestion
from recbench.sources.unknown_table import numbers_of

MOST = 10_000  # values, the most frequent, among which the nearest to a word is looked for
TEXT = re.compile(r"'((?:[^']|'')*)'")  # of an SQL expression


def require_feedback_in_rows(rows: pl.DataFrame, feedback: Mapping[str, str]) -> None:
    """Raise UsageError for an SQL expression that is true in no row, and say what its columns hold.

    One that cannot be computed, or is neither true nor false, is left to preparation, which says what is wrong with it.
    """
    for name, sql in feedback.items():
        columns = list(dict.fromkeys(pl.sql_expr(sql).meta.root_names()))
        if not columns or not set(columns) <= set(rows.columns):
            continue
        found = [_is_true_somewhere(frame, sql) for frame in (rows, rows.with_columns(map(_as_numbers, rows[columns])))]
        if False not in found or True in found:
            continue
        words = [text.replace("''", "'") for text in TEXT.findall(sql)]
        values = [_values(rows[column], words) for column in columns]
        held = "; ".join(f"{column} {held}" for column, held in zip(columns, values, strict=True))
        raise UsageError(f'--feedback: `{name}` = "{sql}" is true in no row; {_meant(rows[columns], words)}{held}')


def _is_true_somewhere(rows: pl.DataFrame, sql: str) -> bool | None:
    """Return whether the expression is true in a row; None where it cannot be computed or is no condition."""
    try:
        value = rows.select(pl.sql_expr(sql).alias("value"))["value"]
    except pl.exceptions.PolarsError:
        return None
    return bool(value.cast(pl.Boolean).any()) if value.dtype == pl.Boolean or value.dtype.is_numeric() else None


def _as_numbers(column: pl.Series) -> pl.Series:
    """Return text as numbers where all of it is, as preparation reads it."""
    if column.dtype != pl.String or numbers_of(column) is None:
        return column
    whole = column.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == column.null_count() else column.cast(pl.Float64)


def _meant(rows: pl.DataFrame, words: Sequence[str]) -> str:
    """Return the question whether the value nearest to a word that no column holds was meant."""
    held = [text for column in rows if numbers_of(column) is None for text in _texts(column)[:MOST]]
    return next((suggestion(word, held) for word in words if word not in held and "%" not in word), "")


def _values(column: pl.Series, words: Sequence[str]) -> str:
    """Return in words what a column holds: of many values those nearest to the words that were asked for."""
    numbers = numbers_of(column)
    low, high = (None, None) if numbers is None else (numbers.min(), numbers.max())
    if isinstance(low, int | float) and isinstance(high, int | float):
        return f"is {low:.10g} everywhere" if low == high else f"lies between {low:.10g} and {high:.10g}"
    texts = _texts(column)
    near = [text for word in words for text in get_close_matches(word, texts[:MOST], n=NEAREST, cutoff=0.5)]
    return f"is {first_few(list(dict.fromkeys([*near, *texts])), NEAREST)}" if texts else "is empty"


def _texts(column: pl.Series) -> list[str]:
    """Return the values of a column, each once, the most frequent first."""
    return [text for text, _ in Counter(map(str, column.drop_nulls().to_list())).most_common()]
