"""A coded log of a few rows, and the parts that a split gives them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import strategies as st

from recbench.memory import Memory
from recbench.preparation.coded_log import CodedLog, read_log
from recbench.preparation.filters import group_by_user
from recbench.preparation.splits.base import Split
from recbench.readers.base import RawTables
from recbench.sources.dataset_spec import DatasetSpec, Side

Rows = list[tuple[int, int]]  # user, time
START = 1_709_100_000  # 2024-02-28 06:00 UTC: the log runs over the end of a February
MIDNIGHT = 1_709_078_400 + 86_400
TIMES = st.one_of(st.integers(START, START + 6 * 86_400), st.integers(-2, 2).map(lambda s: MIDNIGHT + 86_400 + s))
ROWS = st.lists(st.tuples(st.integers(0, 5), TIMES), min_size=1, max_size=40)


def coded(frame: pl.DataFrame, folder: Path, at_once: int, timed: bool = True, unit: str = "s") -> CodedLog:
    """Return the log of a frame with the columns u, i, rating and t, read so many rows at once."""
    users, items = Side("u", ("u",)), Side("i", ("i",))
    spec = DatasetSpec(
        "x", "X", "table", {"like": "rating > 4"}, users, items, time="t" if timed else None, time_unit=unit
    )
    return read_log(spec, RawTables(frame.iter_slices(at_once)), Memory(1 << 30), folder)


def parts_of(log: CodedLog, split: Split, folder: Path) -> pl.DataFrame:
    """Return all rows in file order with their part, assigned as `prepare` does."""
    whole = split.needs_whole_users(log.timed)
    log = group_by_user(log, 50, folder) if whole else log
    part = split.assign(log)
    frames = [pl.concat([*group.frames()]) for group in log.groups if group.rows] if whole else [*log.frames()]
    return pl.concat([frame.with_columns(part=pl.Series(part(frame))) for frame in frames]).sort("row")


def assigned(rows: Rows, split: Split, at_once: int = 7) -> list[int]:
    """Return the part of each row; the times are in seconds, whatever the unit of the split."""
    scale = {"s": 1, "ms": 1000}[split.time_unit]
    frame = pl.DataFrame(
        {
            "u": [user for user, _ in rows],
            "i": [0 for _ in rows],
            "rating": [5 for _ in rows],
            "t": [time * scale + scale - 1 for _, time in rows],
        }
    )
    with TemporaryDirectory() as folder:
        log = coded(frame, Path(folder), at_once, unit=split.time_unit)
        return parts_of(log, split, Path(folder) / "by-user")["part"].to_list()
