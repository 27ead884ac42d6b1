"""The features of every user or item of the log, as they are in the raw data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from recbench.errors import DataError
from recbench.preparation.coded_log import CodedLog, Mask
from recbench.preparation.entity_keys import CODE, Keys
from recbench.preparation.frame_file import FrameFile
from recbench.readers.building_blocks.typed_columns import as_ids
from recbench.sources.dataset_spec import Side

SHOWN = 3  # keys of a message
TRAIN = 0  # the part
FEATURES, PART, TIME, ROW = "\tfeatures", "\tpart", "\ttime", "\trow"  # names that no column of a dataset has


@dataclass(frozen=True)
class Features:
    """The features of every entity of the log."""

    rows: FrameFile  # code, key and features
    undescribed: Mask  # entities that the table of features lacks, [codes]


def attach_features(keys: Keys, table: Iterable[pl.DataFrame] | None, side: Side, path: Path) -> Features:
    """Write the features of every entity of the log, from the entity table where there is one.

    An entity that the table lacks has empty features. Raises DataError for a missing column, and for a file of the
    user's that describes no entity at all.
    """
    described = np.zeros(len(keys), np.bool_)
    if table is None or side.key is None:
        return Features(keys.features, described)
    rows = FrameFile(path)
    log = next(keys.features.frames())[side.key]
    matches = pl.DataFrame()
    of_table: list[object] = []
    for block in table:
        for name in side.identity:
            if name not in block.columns:
                raise DataError(f"no column `{name}` among {', '.join(block.columns)}; correct the catalogue")
        of_table = of_table or block[side.key].head(SHOWN).to_list()
        own = block.select(side.identity).with_columns(as_ids(block[side.key], log.dtype))
        code = pl.Series(CODE, keys.find(own.select(side.key)))
        matches = own.with_columns(code).filter(code >= 0).select(pl.col(CODE).cast(pl.UInt32), *side.identity)
        described[matches[CODE].to_numpy()] = True
        rows.append(matches)
    if side.file is not None and not described.any():
        of_log = log.head(SHOWN).to_list()
        raise DataError(
            f"{side.file}: has none of the {len(keys):,} values of `{side.key}` in the log ({_listed(of_log)}), but "
            f'{_listed(of_table)}; name the column that has them, as in file_key = "id"'
        )
    for named in keys.features.frames():
        missing = named.filter(~pl.Series(described)[named[CODE]])
        rows.append(pl.concat([missing, matches.head(0)], how="diagonal_relaxed").select(CODE, *side.identity))
    return Features(rows.close(), ~described)


def settled_features(log: CodedLog, name: str, side: Side, path: Path) -> Features:
    """Write one value of each feature of the keys of a side, `name` being user or item: the first or the last one.

    They are those of the train rows of a key that are not empty, in time, ties and logs without times by file order;
    a key without train rows has those of its other rows.
    """
    combinations = pl.concat(list(log.features[name].features.frames())).rename({CODE: FEATURES})
    rows = combinations.join(_ends(log, name, side), on=FEATURES)
    rows = rows.filter(pl.col(PART) == pl.col(PART).min().over(CODE))
    rows = _from_the_end(rows, side, before=[CODE])
    values = [pl.col(feature).drop_nulls().first() for feature in side.identity]
    file = FrameFile(path)
    file.append(rows.group_by(CODE, maintain_order=True).agg(values).select(CODE, *side.identity))
    return Features(file.close(), np.zeros(len(log.users if name == "user" else log.items), np.bool_))


def _ends(log: CodedLog, name: str, side: Side) -> pl.DataFrame:
    """Return the first or last row of each combination of features, of train and of the other parts."""
    ends, fresh = pl.DataFrame(), list[pl.DataFrame]()

    def of(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
        rows = _from_the_end(pl.concat(parts), side)
        return rows.unique([FEATURES, PART], keep="first", maintain_order=True)

    for frame in log.frames():
        rows = frame.select(
            pl.col(f"{name} features").alias(FEATURES),
            pl.col(name).alias(CODE),
            (pl.col("part") != TRAIN).alias(PART),
            pl.col("time" if log.timed else "row").alias(TIME),
            pl.col("row").alias(ROW),
        )
        fresh.append(of([rows]))
        if sum(map(len, fresh)) > len(ends):  # so that all frames together cost what the rows do
            ends, fresh = of([ends, *fresh]), []
    return of([ends, *fresh])


def _from_the_end(rows: pl.DataFrame, side: Side, before: Sequence[str] = ()) -> pl.DataFrame:
    """Return the rows in time, or backwards where the last value counts; `before` are columns to sort by first."""
    backwards = side.changing == "last"
    return rows.sort(*before, TIME, ROW, descending=[*(False for _ in before), backwards, backwards])


def _listed(values: list[object]) -> str:
    return ", ".join(map(str, values)) + ", …"
