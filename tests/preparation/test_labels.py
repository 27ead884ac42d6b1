from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from recbench.errors import DataError
from recbench.preparation import labels
from recbench.preparation.row_counts import RowCounts
from recbench.sources.catalog import find


def test_levels_and_rates_from_counted_patterns() -> None:
    label = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], np.uint8)
    pattern = labels.patterns(label)
    assert (labels.unpack(pattern, [0, 1, 2]) == label).all()
    assert labels.level(label).tolist() == [0, 1, 2, 2, 3, 3]
    counts = np.zeros((3, 8), np.int64)
    np.add.at(counts[0], pattern, 1)
    none = np.zeros((3, 0), np.uint32)
    counted = RowCounts((0, 1, 2), ("a", "b", "c"), counts, none, none, None, False)
    assert counted.level_rates == [5 / 6, 4 / 6, 2 / 6]
    assert counted.unnested == 2 / 6
    assert counted.positives[0].tolist() == [3, 3, 2] and counted.rows.tolist() == [6, 0, 0]
    other = RowCounts((2, 0, 1), ("c", "a", "b"), counts, none, none, None, False)
    assert other.positives[0].tolist() == [2, 3, 3]
    assert other.level_rates == [5 / 6, 4 / 6, 3 / 6]
    assert labels.thresholds([0.25, 1.0]) == [math.log(3), None]


def test_feedback_is_ordered_by_train_rate() -> None:
    assert labels.dense_to_sparse("x", ["buy", "view"], [1 / 3, 2 / 3]) == [1, 0]
    assert labels.dense_to_sparse("x", ["a", "b"], [0.5, 0.5]) == [0, 1]
    with pytest.raises(DataError, match="x: feedback `buy` has no positive train row"):
        labels.dense_to_sparse("x", ["buy", "view"], [0.0, 1.0])


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ({"stars": [5]}, 'feedback `like` = "rating > 4": no column `rating`; the log has stars'),
        ({"rating": [5, None]}, "is undefined in 1 row, as in rating None"),
        ({"rating": ["five"]}, 'feedback `like` = "rating > 4"'),
    ],
)
def test_bad_feedback(log: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        labels.evaluate(pl.DataFrame(log), find("ml-1m"))
    assert message in str(caught.value)
    with pytest.raises(DataError, match="is one value, not one a row"):
        labels.column(pl.DataFrame({"a": [1, 2]}), "filter", "1 = 1")
    with pytest.raises(DataError, match="looks at more than one row"):
        labels.column(pl.DataFrame({"a": [1, 2]}), "filter", "a > Avg (a)")


def test_zero_by_zero_is_above_no_number() -> None:
    log = pl.DataFrame({"played": [0.0, 30.0, 0.0], "length": [0.0, 40.0, 10.0]})
    with pytest.raises(DataError, match="filter = .* a part of it is not a number .* in 1 row, as in row 1 of those"):
        labels.column(log, "filter", "played / length > 0.5 AND length >= 0")
    safe = labels.column(log, "filter", "COALESCE(played / NULLIF(length, 0) > 0.5, FALSE)")
    assert safe.to_list() == [False, True, False]


def test_floats_of_zero_and_one_are_feedback() -> None:
    log = pl.DataFrame({"rating": [1.0, 0.0]})
    spec = replace(find("ml-1m"), feedback={"like": "rating"})
    assert labels.evaluate(log, spec)[:, 0].tolist() == [1, 0]
    with pytest.raises(DataError, match='feedback `like` = "rating" is neither true or false nor 0 or 1'):
        labels.evaluate(pl.DataFrame({"rating": [0.5, 1.0]}), spec)


@pytest.mark.parametrize(
    ("log", "sql", "message"),
    [
        ({"plays": [1, None]}, "plays", "is empty, infinite or below 0 in 1 row, as in plays None"),
        ({"plays": [1, -2]}, "plays", "as in plays -2"),
        ({"plays": [1, 0]}, "LN(plays)", "is empty, infinite or below 0 in 1 row, as in plays 0"),
        ({"plays": ["1", "2"]}, "plays", "is no number but String; convert it"),
        ({"stars": [1]}, "plays", "no column `plays`; the log has stars"),
    ],
)
def test_weights_that_are_refused(log: dict[str, Any], sql: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        labels.weights(pl.DataFrame(log), "songs: weight", sql)
    assert message in str(caught.value)


def test_weights_by_an_expression() -> None:
    found = labels.weights(pl.DataFrame({"plays": [0, 1, 999]}), "songs: weight", "LN(1 + plays)")
    assert found.to_list() == pytest.approx([0.0, math.log(2), math.log(1000)])
