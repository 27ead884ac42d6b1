"""A log of one's own, or any that is like it: its features on every row, or in a table of users or items beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl
import polars.selectors as cs

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.readers.building_blocks.row_block import RowBlock, check_distinct
from recbench.readers.building_blocks.table_files import read_row_blocks
from recbench.readers.building_blocks.typed_columns import as_ids
from recbench.sources.dataset_spec import DatasetSpec, Side

NOBODY = Side()
EARLIEST = -(2**63)
PLACE, MOMENT = "\tplace", "\tmoment"  # names that no column of a dataset has


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read the files one after another; `--split given` needs a column `split` of train, valid and test.

    A table of users or items whose rows hold since some time is joined to the rows of the log. Raises DataError for
    bad files.
    """
    log_spec = replace(spec, user=spec.user.in_log, item=spec.item.in_log)
    log: Iterator[pl.DataFrame] = (block.frame for block in read_row_blocks(log_spec, source))
    tables: dict[str, Iterator[pl.DataFrame]] = {}
    for side, columns in (("users", spec.user), ("items", spec.item)):
        if columns.file is not None and columns.file_time is None:
            tables[side] = _described(spec, columns, source)
        elif columns.file is not None:
            log = _as_of(log, spec, columns, source)
    part = "split" if source.shipped_parts else None
    return RawTables(log, tables.get("users"), tables.get("items"), part_column=part)


def _described(spec: DatasetSpec, side: Side, source: Source) -> Iterator[pl.DataFrame]:
    """Yield the key and features of the rows of a table; at last raises DataError for a key that is on two of them."""
    key, own = str(side.key), str(side.in_file.key)
    keys: list[RowBlock] = []
    for block in _rows_of_table(spec, side, source):
        keys.append(replace(block, frame=block.frame.select(pl.col(key).alias(own))))
        yield block.frame
    check_distinct(
        keys,
        own,
        "stands on an earlier row too; keep one, or name the column that says since when a row holds, as in "
        'file_time = "since"',
    )


def _as_of(log: Iterator[pl.DataFrame], spec: DatasetSpec, side: Side, source: Source) -> Iterator[pl.DataFrame]:
    """Yield the frames of the log with the features of its users or items as they were at the time of each row.

    They are empty before the first row of a key. Raises DataError for two rows of one key and time, and for a feature
    that the log has a column of that name beside.
    """
    key, since = str(side.key), pl.col(str(side.file_time)).alias(MOMENT)
    features = [name for name in side.features if name != key]
    table = pl.concat([block.frame for block in _rows_of_table(spec, side, source)]).select(key, since, *features)
    repeated = table.filter(table.select(key, MOMENT).is_duplicated())
    if len(repeated):
        raise DataError(f"{side.file}: two rows of {key} {repeated[key][0]} hold since the same time; keep one of them")
    table = table.sort(MOMENT)
    for frame in log:
        for name in features:
            if name in frame.columns:
                raise DataError(f"{side.file}: the log has a column `{name}` too; rename one of the two")
        if table[key].dtype != frame[key].dtype:  # that of the first frame is that of all
            table = table.with_columns(as_ids(table[key], frame[key].dtype)).drop_nulls(key)
        rows = frame.with_row_index(PLACE).with_columns(pl.col(str(spec.time)).fill_null(EARLIEST).alias(MOMENT))
        joined = rows.sort(MOMENT).join_asof(table, on=MOMENT, by=key, check_sortedness=False)
        yield joined.sort(PLACE).drop(PLACE, MOMENT)


def _rows_of_table(spec: DatasetSpec, side: Side, source: Source) -> Iterator[RowBlock]:
    """Yield the rows of a table of users or items, its key and time called as in the catalogue."""
    own = side.in_file
    described = replace(
        spec,
        user=NOBODY,
        item=own,
        feedback={},
        weight=None,
        filter=None,
        time=side.file_time,
        columns=(),
        separator=side.file_separator or spec.separator,
    )
    files = Source(source.tables[str(side.file)], block=source.block, advance=source.advance)
    for block in read_row_blocks(described, files):
        frame = block.frame.rename({str(own.key): str(side.key)}).with_columns(cs.float().fill_nan(None))
        yield replace(block, frame=frame)
