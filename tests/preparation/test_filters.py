from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import DataError
from recbench.memory import Memory
from recbench.preparation import coded_log, entities, filters
from recbench.preparation.features import attach_features
from recbench.readers.base import RawTables
from recbench.sources.dataset_spec import DatasetSpec, KCore, Side

SPEC = DatasetSpec(
    "x", "X", "table", {"like": "rating > 4"}, Side("u", ("u",)), Side("i", ("i",)), time="t", folder=Path()
)
MEMORY = Memory(1 << 30)
PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=80)


def read(folder: Path, frame: pl.DataFrame, spec: DatasetSpec = SPEC) -> coded_log.CodedLog:
    return coded_log.read_log(spec, RawTables([frame]), MEMORY, folder)


def logged(
    folder: Path, pairs: list[tuple[int, int]], spec: DatasetSpec = SPEC, at_once: int = 7
) -> coded_log.CodedLog:
    frame = pl.DataFrame(
        {
            "u": [user for user, _ in pairs],
            "i": [item for _, item in pairs],
            "rating": [number % 6 for number in range(len(pairs))],
            "t": list(range(len(pairs))),
        },
        schema_overrides={"u": pl.Int64, "i": pl.Int64},
    )
    return coded_log.read_log(spec, RawTables(frame.iter_slices(at_once)), MEMORY, folder)


def pairs_of(log: coded_log.CodedLog) -> list[tuple[int, int]]:
    """The user and item of every row, as in the raw data, in file order."""
    names = [pl.concat(list(keys.features.frames()))[:, 0].to_list() for keys in (log.users, log.items)]
    frame = pl.concat(list(log.frames())).sort("row")
    return [(names[0][user], names[1][item]) for user, item in frame.select("user", "item").rows()]


@given(PAIRS, st.integers(1, 4), st.integers(1, 4), st.sampled_from([None, 1, 2]))
def test_core_is_what_a_plain_loop_leaves(
    pairs: list[tuple[int, int]], user: int, item: int, rounds: int | None
) -> None:
    left, done = pairs, 0
    while rounds is None or done < rounds:
        items = Counter(i for _, i in left)
        kept = [(u, i) for u, i in left if items[i] >= item]
        users = Counter(u for u, _ in kept)
        kept = [(u, i) for u, i in kept if users[u] >= user]
        done += 1
        if kept == left:
            break
        left = kept
    with TemporaryDirectory() as folder:
        log = logged(Path(folder) / "a", pairs)
        every = np.ones(len(log.users), np.bool_), np.ones(len(log.items), np.bool_)
        masks = filters.core(log, KCore(user, item, rounds), *every)
        if left:
            assert pairs_of(filters.select(log, *masks, Path(folder) / "kept")) == left
        else:
            with pytest.raises(DataError, match="no row is left by the filters"):
                filters.select(log, *masks, Path(folder) / "kept")


@given(PAIRS, st.integers(1, 30))
def test_gathering_and_dropping_repeats(pairs: list[tuple[int, int]], at_once: int) -> None:
    with TemporaryDirectory() as folder:
        log = filters.group_by_user(logged(Path(folder) / "a", pairs), at_once, Path(folder) / "gathered")
        assert pairs_of(log) == pairs
        where = [set(frame["user"]) for group in log.groups for frame in [pl.concat([*group.frames()])] if group.rows]
        assert sum(len(users) for users in where) == len(set.union(*where))  # each user in one group
        assert pairs_of(filters.drop_repeats(log, Path(folder) / "distinct")) == list(dict.fromkeys(pairs))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=40))
def test_of_repeats_the_first_in_time_is_left(rows: list[tuple[int, int, int]]) -> None:
    frame = pl.DataFrame(rows, schema={"u": pl.Int64, "i": pl.Int64, "t": pl.Int64}, orient="row")
    frame = frame.with_columns(rating=5)
    expected: dict[tuple[int, int], int] = {}
    for number, (user, item, time) in enumerate(rows):
        if (user, item) not in expected or time < rows[expected[user, item]][2]:
            expected[user, item] = number
    with TemporaryDirectory() as folder:
        log = filters.group_by_user(read(Path(folder) / "a", frame), 7, Path(folder) / "by-user")
        log = filters.drop_repeats(log, Path(folder) / "distinct")
        assert sorted(row for part in log.frames("row") for row in part["row"]) == sorted(expected.values())


def test_users_who_are_common_in_the_shipped_train_part(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "u": [1, 1, 2, 2, 3, 1],
            "city": ["A", "B", "A", "A", "A", "C"],  # features that vary: entities are (u, city)
            "i": [1] * 6,
            "rating": [5] * 6,
            "split": ["train", "train", "train", "test", "test", "test"],
        }
    )
    spec = replace(SPEC, user=Side("u", ("u", "city")), time=None)
    log = coded_log.read_log(spec, RawTables([frame[:4], frame[4:]]), MEMORY, tmp_path)
    held = filters.common_users(log, "u", 2)
    assert held.tolist() == [True, True, False, False, True]  # (1,A) (1,B) (2,A) (3,A) (1,C)
    single = coded_log.read_log(replace(spec, user=Side("u", ("u",))), RawTables([frame]), MEMORY, tmp_path / "b")
    assert filters.common_users(single, "u", 1).tolist() == [True, True, False]


def test_entities_that_lack_a_feature(tmp_path: Path) -> None:
    log = logged(tmp_path / "a", [(1, 1), (2, 1), (3, 1)])
    side = Side("u", ("u", "city"), ("age",))
    table = pl.DataFrame({"u": [3, 1], "city": ["A", None], "age": [1.0, 2.0]})
    features = attach_features(log.users, [table], side, tmp_path / "users.parquet")
    assert features.undescribed.tolist() == [False, True, False]
    lacking = entities.without_empty_features(features.rows, side, 3)
    assert lacking.tolist() == [False, False, True]  # 2 is not in the table
