from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recbench.errors import DataError, UsageError
from recbench.preparation.coded_log import CodedLog
from recbench.preparation.splits.base import SPLITS, Split, check_parts, check_split
from recbench.sources.check_spec import check_spec
from recbench.sources.dataset_spec import DatasetSpec, Side
from tests.preparation.splits.logs import coded, parts_of


def test_split_errors() -> None:
    with pytest.raises(UsageError, match="x has no split `given`; choose --split global, user or days"):
        check_split("x", "given", ("global", "user", "days"), True)
    with pytest.raises(UsageError, match="x has no time column, which split `global` needs"):
        check_split("x", "global", ("global",), False)
    with pytest.raises(UsageError, match="or use --split given, random or users"):
        check_split("x", "user", ("user",), False)
    with pytest.raises(
        DataError, match=r"x: split `random` leaves no valid rows \(5 rows in all\); use more rows, .*--split"
    ):
        check_parts("x", SPLITS.get("random"), np.array([4, 0, 1]))
    with pytest.raises(
        DataError, match="leaves no train rows .*, since all times are equal; correct `time`, or use another --split"
    ):
        check_parts("x", SPLITS.get("global"), np.array([0, 0, 5]), one_time=True)
    with pytest.raises(DataError, match="; use more rows, another --split-days or another --split$"):
        check_parts("x", SPLITS.get("days"), np.array([4, 0, 1]))
    with pytest.raises(DataError, match="; use more rows or another --split$"):
        check_parts("x", SPLITS.get("leave-one-out"), np.array([5, 0, 0]))


def logged(folder: Path, at_once: int, timed: bool = True) -> CodedLog:
    """Return a log of 600 rows of 30 users that says the part of each row."""
    random = np.random.default_rng(0)
    hours = random.integers(0, 400, 600)
    frame = pl.DataFrame(
        {
            "u": hours * 28 // 400 + random.integers(0, 3, 600),  # users come and go
            "i": random.integers(0, 30, 600),
            "rating": random.integers(0, 6, 600),
            "t": 1_600_000_000 + hours * 3600,  # 2020-09-13 to 2020-09-30
            "split": random.choice(["train", "test"], 600, p=[0.8, 0.2]),
        }
    )
    return coded(frame, folder, at_once, timed)


CASES = [
    pytest.param(name, timed, id=f"{name}-{'timed' if timed else 'untimed'}")
    for name in SPLITS.names()
    for timed in (True, False)
    if timed or not SPLITS.get(name).needs_time
]


@pytest.mark.parametrize(("name", "timed"), CASES)
def test_what_every_split_must_keep(name: str, timed: bool, tmp_path: Path) -> None:
    split: Split = SPLITS.get(name)((8, 1, 1), seed=3, split_days=2, split_date=date(2020, 9, 26))
    assigned = [
        parts_of(logged(tmp_path / f"{at_once}", at_once, timed), split, tmp_path / f"{at_once}" / "by-user")
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
