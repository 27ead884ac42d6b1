"""Feedback columns of 0 and 1, their order, the ordinal level made of them, and weights of rows."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.errors import DataError, counted
from recbench.sources.dataset_spec import DatasetSpec

Label = NDArray[np.uint8]  # 0 or 1 by row and feedback [R, T]; a level 0..T by row [R]

OTHER_ROWS = re.compile(
    r"\b(avg|corr|count|covar\w*|cume_dist|dense_rank|first|first_value|lag|last|last_value|lead|max|mean|median|min|"
    r"ntile|over|percent_rank|quantile\w*|rank|row_number|std\w*|sum|var\w*)\s*\(",
    re.IGNORECASE,
)


def evaluate(log: pl.DataFrame, spec: DatasetSpec) -> Label:
    """Evaluate the feedback expressions on every row, in the order of the catalogue.

    Raises DataError for a missing column, a wrong type, and values that are neither true nor false.
    """
    columns = []
    for name, sql in spec.feedback.items():
        value = column(log, f"{spec.name}: feedback `{name}`", sql)
        if value.dtype != pl.Boolean:
            defined = value.filter(value.is_not_null())
            if not value.dtype.is_numeric() or not ((defined == 0) | (defined == 1)).all():
                raise DataError(
                    f'{spec.name}: feedback `{name}` = "{sql}" is neither true or false nor 0 or 1; '
                    'compare it with something, as in "rating > 4"'
                )
        if value.null_count():
            row = ", ".join(f"{key} {cell}" for key, cell in log.filter(value.is_null()).row(0, named=True).items())
            raise DataError(
                f'{spec.name}: feedback `{name}` = "{sql}" is undefined in {counted(value.null_count(), "row")}, '
                f"as in {row}; filter them out, or say what they count as"
            )
        columns.append(value.cast(pl.UInt8).to_numpy())
    return np.stack(columns, axis=1)


def weights(log: pl.DataFrame, what: str, sql: str) -> pl.Series:
    """Evaluate an expression for the weight of every row, [R] Float32.

    Raises DataError, which begins with `what`, for weights that are no number, empty, infinite or below 0.
    """
    value = column(log, what, sql)
    if not value.dtype.is_numeric():
        raise DataError(f'{what} = "{sql}" is no number but {value.dtype}; convert it, as in "CAST(plays AS FLOAT)"')
    weight = value.cast(pl.Float32)
    wrong = weight.is_null() | ~weight.is_finite() | (weight < 0)
    if wrong.any():
        row = ", ".join(f"{key} {cell}" for key, cell in log.filter(wrong).row(0, named=True).items())
        raise DataError(
            f'{what} = "{sql}" is empty, infinite or below 0 in {counted(int(wrong.sum()), "row")}, as in {row}; '
            "filter them out, or say by COALESCE or GREATEST what they weigh"
        )
    return weight


def column(log: pl.DataFrame, what: str, sql: str) -> pl.Series:
    """Evaluate one SQL expression on every row; raises DataError that begins with `what`."""
    if OTHER_ROWS.search(sql):  # AVG(price), say, would be that of a block of the file
        raise DataError(f'{what} = "{sql}" looks at more than one row; it sees one row at a time')
    try:
        value = log.select(pl.sql_expr(sql).alias("value"))["value"]
    except pl.exceptions.ColumnNotFoundError:
        lacking = [name for name in pl.sql_expr(sql).meta.root_names() if name not in log.columns]
        raise DataError(f'{what} = "{sql}": no column `{lacking[0]}`; the log has {_columns_of(log)}') from None
    except pl.exceptions.PolarsError as error:
        raise DataError(f'{what} = "{sql}": {str(error).splitlines()[0]}; the log has {_columns_of(log)}') from None
    _refuse_nan(log, what, sql)
    if len(value) != len(log):
        raise DataError(f'{what} = "{sql}" is one value, not one a row; name a column of the log: {_columns_of(log)}')
    return value


def _refuse_nan(log: pl.DataFrame, what: str, sql: str) -> None:
    """Raise DataError if a part of the expression is 0/0 or the like, which polars holds to be above any number."""
    parts = [pl.sql_expr(sql)]
    while parts:
        part = parts.pop()
        parts += part.meta.pop()
        if part.meta.is_column() or part.meta.is_literal() or not log.head(0).select(part).dtypes[0].is_float():
            continue
        undefined = log.select(part.alias("value"))["value"].is_nan().fill_null(value=False)
        if undefined.any():
            raise DataError(
                f'{what} = "{sql}": a part of it is not a number (0/0, say) in {counted(int(undefined.sum()), "row")}, '
                f"as in row {(undefined.arg_max() or 0) + 1} of those read; divide by NULLIF(column, 0), "
                "and say by COALESCE what such rows count as"
            )


def patterns(label: Label) -> NDArray[np.uint16]:
    """Return the feedback of each row as one number whose bit t is feedback t, [R]."""
    bits = label.astype(np.uint16) << np.arange(label.shape[1], dtype=np.uint16)
    pattern: NDArray[np.uint16] = bits.sum(1, dtype=np.uint16)
    return pattern


def unpack(pattern: NDArray[np.uint16], feedback: Sequence[int]) -> Label:
    """Return the bits of each number as columns of 0 and 1, those of `feedback` in that order, [R, T]."""
    label: Label = ((pattern[:, None] >> np.array(feedback, np.uint16)) & 1).astype(np.uint8)
    return label


def dense_to_sparse(dataset: str, names: Sequence[str], rates: Sequence[float]) -> list[int]:
    """Order the feedback types by their rate on the train rows, ties in the order of the catalogue.

    Raises DataError that names a feedback without a positive train row.
    """
    for name, rate in zip(names, rates, strict=True):
        if rate == 0:
            raise DataError(
                f"{dataset}: feedback `{name}` has no positive train row; "
                "leave it out, use more rows or another --split"
            )
    return sorted(range(len(names)), key=lambda t: -rates[t])


def level(label: Label) -> Label:
    """Return the highest feedback reached by each row, 0 to T, whether or not the lower ones were, [R]."""
    rank = np.arange(1, label.shape[1] + 1, dtype=np.uint8)
    highest: Label = (label * rank).max(1)
    return highest


def thresholds(rates: list[float]) -> list[float | None]:
    """Return a_c = ln((1 - rate) / rate) of each level; None where every row reaches the level."""
    return [math.log((1 - rate) / rate) if rate < 1 else None for rate in rates]


def _columns_of(log: pl.DataFrame) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in log.schema.items())
