from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.data import buckets, entities, labels, split
from recbench.data.catalog import Side, find
from recbench.errors import DataError, UsageError

Log = list[tuple[int, int]]  # user, time
LOGS = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 12)), min_size=1, max_size=60)


@given(LOGS)
def test_global_cut_partitions_in_time(log: Log) -> None:
    time = np.sort(np.array([moment for _, moment in log], np.int64))
    part = split.global_cut(time)
    assert set(part) <= {0, 1, 2}
    assert (np.diff(part) >= 0).all()  # so no train row is later than a valid or test row
    for moment in np.unique(time):
        assert len(set(part[time == moment])) == 1
    cut = time[len(time) * 7 // 10]
    assert ((part == 2) == (time >= cut)).all()


@given(LOGS)
def test_user_cut_is_chronological_and_counts_are_exact(log: Log) -> None:
    user = np.array([who for who, _ in log], np.uint32)
    time = np.array([moment for _, moment in log], np.int64)
    part = split.user_cut(user, time)
    for who in np.unique(user):
        own = np.flatnonzero(user == who)
        ordered = part[own[np.argsort(time[own], kind="stable")]]
        assert (np.diff(ordered.astype(int)) >= 0).all()
        fit = max(1, math.floor(7 * len(own) / 10))
        kept = max(1, math.floor(9 * fit / 10))
        assert (ordered == 0).sum() == kept
        assert (ordered < 2).sum() == fit


def test_cuts_by_hand() -> None:
    time = np.arange(100, dtype=np.int64)
    assert np.bincount(split.global_cut(time)).tolist() == [63, 7, 30]
    assert np.bincount(split.global_cut(time[:90])).tolist() == [56, 7, 27]  # 0.7 * 90 is below 63 in floats
    ties = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1], np.int64)
    assert split.global_cut(ties).tolist() == [1, 1, 1] + [2] * 7
    assert split.user_cut(np.zeros(10, np.uint32), time[:10]).tolist() == [0] * 6 + [1] + [2] * 3


def test_given_split() -> None:
    words = pl.Series(["train"] * 10 + ["test"] * 2)
    user, time = np.zeros(12, np.uint32), np.arange(12, dtype=np.int64)[::-1].copy()
    assert split.given("x", words, user, time, 0).tolist() == [1] + [0] * 9 + [2, 2]
    drawn = split.given("x", words, user, None, 0)
    assert np.bincount(drawn).tolist() == [9, 1, 2]
    assert drawn.tolist() == split.given("x", words, user, None, 0).tolist()
    shipped = pl.Series(["train", "valid", "test"])
    assert split.given("x", shipped, user[:3], None, 0).tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="holds `dev`; expected train, valid or test"):
        split.given("x", pl.Series(["train", "dev"]), user[:2], None, 0)


def test_split_errors() -> None:
    with pytest.raises(UsageError, match="x has no split `given`; choose --split global or user"):
        split.check("x", "given", ("global", "user"), True)
    with pytest.raises(UsageError, match="x has no time column, which split `global` needs"):
        split.check("x", "global", ("global",), False)
    with pytest.raises(DataError, match="leaves no train rows"):
        split.check_parts("x", "global", split.global_cut(np.zeros(5, np.int64)))


NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan) | st.integers(0, 3).map(float), max_size=200)


@given(NUMBERS, NUMBERS)
def test_buckets_match_numpy(train: list[float], other: list[float]) -> None:
    value = np.array(train, np.float64)
    edge = buckets.edges(value)
    finite = value[~np.isnan(value)]
    expected = np.unique([np.percentile(finite, p) for p in range(2, 100, 2)]) if len(finite) else np.empty(0)
    assert edge.tolist() == expected.tolist()
    ids = buckets.bucket(np.array(other + [math.inf, -math.inf]), edge)
    assert ids[-1] == buckets.FIRST and ids[-2] == buckets.size(edge) - 1
    for number, bucket in zip(other, ids, strict=False):
        assert bucket == (1 if math.isnan(number) else 2 + sum(e < number for e in edge))


def test_buckets_are_closed_on_the_right() -> None:
    value = np.repeat([1.0, 2.0, 3.0], 100)
    assert buckets.edges(value).tolist() == [1.0, 2.0, 3.0]
    assert buckets.bucket(np.array([0.5, 1.0, 1.1, 3.0, 3.1, math.nan]), buckets.edges(value)).tolist() == [
        *(2, 2, 3, 4, 5, 1)
    ]


def test_level_counts_unnested_rows() -> None:
    label = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], np.uint8)
    level = labels.level(label)
    assert level.tolist() == [0, 1, 2, 2, 3, 3]
    assert labels.level_rates(level, 3) == [5 / 6, 4 / 6, 2 / 6]
    assert labels.unnested(label) == 2 / 6
    assert labels.thresholds([0.25, 1.0]) == [math.log(3), None]


def test_feedback_is_ordered_by_train_rate() -> None:
    train = np.array([[0, 1], [0, 1], [1, 0]], np.uint8)
    assert labels.dense_to_sparse("x", ["buy", "view"], train) == [1, 0]
    assert labels.dense_to_sparse("x", ["a", "b"], train[[0, 2]]) == [0, 1]
    with pytest.raises(DataError, match="x: feedback `buy` has no positive train row"):
        labels.dense_to_sparse("x", ["buy", "view"], train[:2])


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ({"stars": [5]}, 'feedback `like` = "rating > 4": no column `rating`; the log has stars'),
        ({"rating": [5, None]}, "is undefined in 1 rows, as in rating None"),
        ({"rating": ["five"]}, 'feedback `like` = "rating > 4"'),
    ],
)
def test_bad_feedback(log: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        labels.evaluate(pl.DataFrame(log), find("ml-1m"))
    assert message in str(caught.value)
    with pytest.raises(DataError, match="is one value, not one a row"):
        labels.column(pl.DataFrame({"a": [1, 2]}), "filter", "sum(a) > 1")


def test_entities_of_a_table() -> None:
    log = pl.DataFrame({"id": [10, 9, 2, 10, 7]})
    table = pl.DataFrame(
        {
            "id": [2, 7, 9, 10, 11],
            "city": ["Z", "A", None, "B", "C"],
            "bag": ["q", "p|q|new|q", None, "p", "x"],
            "age": [5.0, None, 1.0, 3.0, 9.0],
        }
    )
    side = Side("id", ("id", "city"), ("age",), ("bag",))
    built = entities.build(log, table, side, np.array([True, True, True, True, False]), "|")
    assert built.keys.rows() == [(0, 2), (1, 9), (2, 10), (3, 7)]
    assert (built.seen, built.row.tolist()) == (3, [2, 1, 0, 2, 3])
    assert built.table["id"].to_list() == [1, 2, 3, 0]
    assert built.table["city"].to_list() == [2, 3, 1, 0]  # B, Z, null
    assert built.table["bag"].to_list() == [[2], [0], [1], [1]]  # cut to the longest bag in train
    assert built.vocabularies["city"].rows() == [(1, "B"), (2, "Z"), (3, None)]
    assert built.edges["age"][0] == 1.0 + 0.06 * 2  # over rows (3, 1, 5, 3), not over entities
    assert [(c["name"], c["size"], c["width"]) for c in built.columns] == [
        ("id", 4, 1),
        ("city", 4, 1),
        ("bag", 3, 1),
        ("age", 2 + len(built.edges["age"]) + 1, 1),
    ]


def test_entities_without_a_table_are_distinct_rows() -> None:
    log = pl.DataFrame({"id": ["b", "a", "b", "b"], "city": ["X", None, "Y", "X"]})
    built = entities.build(log, None, Side("id", ("city",)), np.ones(4, np.bool_), "|")
    assert built.keys.rows() == [(0, "a", None), (1, "b", "X"), (2, "b", "Y")]
    assert built.row.tolist() == [1, 0, 2, 1]


def test_an_entity_that_its_table_lacks_has_empty_features() -> None:
    log = pl.DataFrame({"id": [1, 2]})
    table = pl.DataFrame({"id": [1], "city": ["A"]})
    built = entities.build(log, table, Side("id", ("city",)), np.ones(2, np.bool_), "|")
    assert built.table["city"].to_list() == [1, 2]
    assert built.vocabularies["city"].rows() == [(1, "A"), (2, None)]
