"""The log in time order: filtered, split and labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from recbench.data import labels, split
from recbench.data.catalog import Spec
from recbench.data.entities import codes
from recbench.data.labels import Label
from recbench.data.readers import Raw, Source
from recbench.data.split import PARTS, Parts
from recbench.errors import DataError


@dataclass(frozen=True)
class Rows:
    """R rows with T feedback types, from dense to sparse on train."""

    log: pl.DataFrame  # [R] the columns as read
    feedback: tuple[str, ...]
    label: Label  # [R, T]
    part: Parts  # [R] index into PARTS
    time: NDArray[np.int64] | None  # [R]
    truth: NDArray[np.float64] | None  # [R, T]

    def of(self, part: str) -> NDArray[np.bool_]:
        """Return which rows are in that part, [R]."""
        held: NDArray[np.bool_] = self.part == PARTS.index(part)
        return held

    def table(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> pl.DataFrame:
        """Return the rows as they are stored, given the entities of each row."""
        columns: dict[str, NDArray[np.generic]] = {"user": user, "item": item}
        columns |= {name: self.label[:, t] for t, name in enumerate(self.feedback)}
        columns["level"] = labels.level(self.label)
        if self.time is not None:
            columns["timestamp"] = self.time
        if self.truth is not None:
            columns |= {f"truth_{name}": self.truth[:, t] for t, name in enumerate(self.feedback)}
        return pl.DataFrame(columns)


def build(spec: Spec, content: Raw, source: Source) -> Rows:
    """Filter, sort, split and label the log.

    Raises DataError for missing columns, a part without rows and a feedback without positives in train.
    """
    log = content.log.with_columns(cs.float().fill_nan(None))  # NaN would be above every number
    if spec.filter is not None:
        kept = labels.column(log, f"{spec.name}: filter", spec.filter)
        if kept.dtype != pl.Boolean:
            raise DataError(f'{spec.name}: filter = "{spec.filter}" is not true or false; write it like "rating > 0"')
        log = log.filter(kept)
    if not len(log):
        raise DataError(f"{spec.name}: no log rows; check the files and the filter ({spec.filter})")
    if spec.time is not None:
        log = log.sort(spec.time, maintain_order=True)
    time = log[spec.time].to_numpy() if spec.time is not None else None
    part = _split(spec, log, time, source)
    split.check_parts(spec.name, source.split, part)
    label = labels.evaluate(log, spec)
    names = list(spec.feedback)
    order = labels.dense_to_sparse(spec.name, names, label[part == 0])
    feedback = tuple(names[t] for t in order)
    columns = [f"truth_{name}" for name in feedback]
    truth = log.select(columns).to_numpy() if set(columns) <= set(log.columns) else None
    return Rows(log, feedback, np.ascontiguousarray(label[:, order]), part, time, truth)


def _split(spec: Spec, log: pl.DataFrame, time: NDArray[np.int64] | None, source: Source) -> Parts:
    identity = (spec.user.key,) if spec.user.key else spec.user.identity
    user = codes(log, identity)[1]
    if source.split == "given" or time is None:
        return split.given(spec.name, log["split"], user, time, source.seed)
    return split.user_cut(user, time) if source.split == "user" else split.global_cut(time)
