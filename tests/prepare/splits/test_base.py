from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recbench.errors import DataError, UsageError
from recbench.memory import Memory
from recbench.prepare.coded_log import CodedLog, read_log
from recbench.prepare.filters import group_by_user
from recbench.prepare.splits.base import SPLITS, Split, check_parts, check_split
from recbench.readers.base import RawTables
from recbench.sources.check_spec import check_spec
from recbench.sources.dataset_spec import DatasetSpec, Side


def test_split_errors() -> None:
    with pytest.raises(UsageError, match="x has no split `given`; choose --split global or user"):
        check_split("x", "given", ("global", "user"), True)
    with pytest.raises(UsageError, match="x has no time column, which split `global` needs"):
        check_split("x", "global", ("global",), False)
    with pytest.raises(UsageError, match="or use --split given, random or users"):
        check_split("x", "user", ("user",), False)
    with pytest.raises(DataError, match=r"x: split `random` leaves no valid rows \(5 rows in all\); use more rows or"):
        check_parts("x", "random", np.array([4, 0, 1]))
    with pytest.raises(DataError, match="leaves no train rows .*, since all times are equal; correct `time`, or use"):
        check_parts("x", "global", np.array([0, 0, 5]), one_time=True)


def logged(folder: Path, at_once: int, timed: bool = True) -> CodedLog:
    """Return a log of 600 rows of 30 users that says the part of each row."""
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "u": random.integers(0, 30, 600),
            "i": random.integers(0, 30, 600),
            "rating": random.integers(0, 6, 600),
            "t": 1_600_000_000 + random.integers(0, 400, 600),
            "split": random.choice(["train", "test"], 600, p=[0.8, 0.2]),
        }
    )
    users, items = Side("u", ("u",)), Side("i", ("i",))
    spec = DatasetSpec("x", "X", "table", {"like": "rating > 4"}, users, items, time="t" if timed else None)
    return read_log(spec, RawTables(frame.iter_slices(at_once)), Memory(1 << 30), folder)


def parts(log: CodedLog, split: Split, folder: Path) -> pl.DataFrame:
    """Return all rows in file order with their part, assigned as `prepare` does."""
    whole = split.needs_whole_users(log.timed)
    log = group_by_user(log, 50, folder) if whole else log
    part = split.assign(log)
    frames = [pl.concat([*group.frames()]) for group in log.groups if group.rows] if whole else [*log.frames()]
    return pl.concat([frame.with_columns(part=pl.Series(part(frame))) for frame in frames]).sort("row")


CASES = [
    pytest.param(name, timed, id=f"{name}-{'timed' if timed else 'untimed'}")
    for name in SPLITS.names()
    for timed in (True, False)
    if timed or not SPLITS.get(name).needs_time
]


@pytest.mark.parametrize(("name", "timed"), CASES)
def test_what_every_split_must_keep(name: str, timed: bool, tmp_path: Path) -> None:
    split = SPLITS.get(name)((8, 1, 1), seed=3)
    assigned = [
        parts(logged(tmp_path / f"{at_once}", at_once, timed), split, tmp_path / f"{at_once}" / "by-user")
        for at_once in (7, 100, 600)
    ]
    assert all(rows["part"].equals(assigned[0]["part"]) for rows in assigned)  # whatever is read together
    rows = assigned[0]
    assert rows["part"].dtype == pl.UInt8 and set(rows["part"]) == {0, 1, 2}
    assert (rows["part"] == 0).mean() > 0.5
    users = [set(rows.filter(pl.col("part") == part)["user"]) for part in range(3)]
    assert split.new_test_users == (not users[0] & (users[1] | users[2]))
    assert len(split.rule) > 40 and split.rule[0].islower() and not split.rule.endswith(".")


def test_a_file_is_called_as_its_split_is() -> None:
    for name in SPLITS.names():
        module = SPLITS.get(name).__module__.rpartition(".")[2]
        assert module.rstrip("_").replace("_", "-") == name
        write = DatasetSpec("x", "X", "synthetic", {"a": "b"}, Side("u"), Side("i"), splits=(name,))
        assert check_spec(write) is write
