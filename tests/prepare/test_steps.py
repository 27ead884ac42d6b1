from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recbench.data.manifest import Column
from recbench.errors import DataError, UsageError
from recbench.prepare import buckets, coded_log, entities, labels
from recbench.prepare.entities import Entities
from recbench.prepare.entity_keys import Keys
from recbench.prepare.frame_file import FrameFile
from recbench.prepare.leak_certificate import fits
from recbench.prepare.order_statistics import even_bounds, kth
from recbench.prepare.row_counts import RowCounts
from recbench.prepare.splits.base import Ratio, check_parts, check_split
from recbench.prepare.splits.given import valid_of_train
from recbench.prepare.splits.global_ import by_bounds, time_bounds
from recbench.prepare.splits.random import draw_rows
from recbench.prepare.splits.user import cut_each_user
from recbench.prepare.splits.users import draw_users
from recbench.sources.catalog import find
from recbench.sources.dataset_spec import Side

RATIO = (63, 7, 30)
Log = list[tuple[int, int]]  # user, time
LOGS = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 12)), min_size=1, max_size=60)


def global_cut(time: NDArray[np.int64], ratio: Ratio = RATIO, at_once: int = 7) -> NDArray[np.uint8]:
    """Cut as the pipeline does: the times are read in blocks."""
    blocks = [time[start : start + at_once] for start in range(0, len(time), at_once)]
    return by_bounds(time, time_bounds(lambda: iter(blocks), len(time), ratio))


@given(LOGS)
def test_global_cut_partitions_in_time(log: Log) -> None:
    time = np.sort(np.array([moment for _, moment in log], np.int64))
    part = global_cut(time)
    assert set(part) <= {0, 1, 2}
    assert (np.diff(part) >= 0).all()  # so no train row is later than a valid or test row
    for moment in np.unique(time):
        assert len(set(part[time == moment])) == 1
    cut = time[len(time) * 7 // 10]
    assert ((part == 2) == (time >= cut)).all()


NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5), min_size=1, max_size=200)


@given(NUMBERS, st.integers(0, 10**6), st.integers(1, 50))
def test_order_statistics_of_blocks(numbers: list[int], rank: int, at_once: int) -> None:
    value = np.array(numbers, np.int64)
    blocks = [value[start : start + at_once] for start in range(0, len(value), at_once)]
    rank %= len(value)
    assert kth(lambda: iter(blocks), rank) == sorted(numbers)[rank]
    bounds = even_bounds(lambda: iter(blocks), at_once)
    assert (np.diff(bounds) > 0).all()
    place = np.searchsorted(bounds, value, side="right")
    for moment in set(numbers):
        assert len(set(place[value == moment])) == 1
    assert bounds.tolist() == sorted(bounds.tolist())


def test_order_statistics_of_many_numbers() -> None:
    value = np.random.default_rng(0).integers(0, 10**12, 3_000_000)
    blocks = np.array_split(value, 7)
    for rank in (0, 1, 1_000_000, 2_999_999):
        assert kth(lambda: iter(blocks), rank) == np.partition(value, rank)[rank]
    place = np.searchsorted(even_bounds(lambda: iter(blocks), 100_000), value, side="right")
    assert np.bincount(place).max() < 110_000


@given(LOGS, st.sampled_from([RATIO, (8, 1, 1), (3, 0, 1)]))
def test_user_cut_is_chronological_and_counts_are_exact(log: Log, ratio: Ratio) -> None:
    user = np.array([who for who, _ in log], np.uint32)
    time = np.array([moment for _, moment in log], np.int64)
    part = cut_each_user(user, time, ratio)
    train, valid, _ = ratio
    for who in np.unique(user):
        own = np.flatnonzero(user == who)
        ordered = part[own[np.argsort(time[own], kind="stable")]]
        assert (np.diff(ordered.astype(int)) >= 0).all()
        fit = max(1, math.floor((train + valid) * len(own) / sum(ratio) + 1e-9))
        kept = max(1, math.floor(train * fit / (train + valid) + 1e-9))
        assert (ordered == 0).sum() == kept
        assert (ordered < 2).sum() == fit


def test_rounding_of_a_users_train_rows() -> None:
    def train(rows: int, rounding: str) -> int:
        part = cut_each_user(np.zeros(rows, np.uint32), np.arange(rows), (7, 0, 3), rounding)
        return int((part == 0).sum())

    assert [train(n, "floor") for n in (1, 2, 3, 5, 10)] == [1, 1, 2, 3, 7]
    assert [train(n, "round") for n in (1, 2, 3, 5, 10)] == [1, 1, 2, 4, 7]
    # Spark's percent_rank of row i of n is i / (n - 1): those at or below 0.7 are train
    expected = [sum(i / max(1, n - 1) <= 0.7 for i in range(n)) for n in (1, 2, 3, 5, 10)]
    assert [train(n, "percent-rank") for n in (1, 2, 3, 5, 10)] == expected


def test_cuts_by_hand() -> None:
    time = np.arange(100, dtype=np.int64)
    assert np.bincount(global_cut(time)).tolist() == [63, 7, 30]
    assert np.bincount(global_cut(time[:90])).tolist() == [56, 7, 27]  # 0.7 * 90 is below 63 in floats
    ties = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1], np.int64)
    assert global_cut(ties).tolist() == [1, 1, 1] + [2] * 7
    assert cut_each_user(np.zeros(10, np.uint32), time[:10], RATIO).tolist() == [0] * 6 + [1] + [2] * 3


def test_random_splits_are_of_the_row_and_the_seed() -> None:
    row = np.arange(100_000, dtype=np.uint32)
    part = draw_rows(row, (8, 1, 1), 0)
    assert np.abs(np.bincount(part) / len(row) - [0.8, 0.1, 0.1]).max() < 0.005
    assert (draw_rows(row[500:700], (8, 1, 1), 0) == part[500:700]).all()
    other = draw_rows(row, (8, 1, 1), 1)
    assert 0.3 < (other != part).mean() < 0.4  # independent: 1 - (0.8^2 + 0.1^2 + 0.1^2)
    drawn = draw_users(1000, (8, 1, 1), 0)
    assert np.bincount(drawn).tolist() == [800, 100, 100]
    assert (draw_users(1000, (8, 1, 1), 1) != drawn).any()


def test_given_split() -> None:
    part = coded_log.part_numbers("x", pl.Series(["train"] * 10 + ["test"] * 2))
    assert part.tolist() == [0] * 10 + [2, 2]
    user, row = np.zeros(12, np.uint32), np.arange(12, dtype=np.uint32)
    time = np.arange(12, dtype=np.int64)[::-1].copy()
    assert valid_of_train(part, user, time, row, RATIO, 0).tolist() == [1] + [0] * 9 + [2, 2]
    many = np.repeat(np.array([0, 2], np.uint8), 50_000)
    row = np.arange(len(many), dtype=np.uint32)
    drawn = valid_of_train(many, row, None, row, RATIO, 0)
    assert (drawn[50_000:] == 2).all() and abs((drawn == 1).sum() / 50_000 - 0.1) < 0.005
    with pytest.raises(DataError, match="holds `dev`; expected train, valid or test"):
        coded_log.part_numbers("x", pl.Series(["train", "dev"]))


def test_split_errors() -> None:
    with pytest.raises(UsageError, match="x has no split `given`; choose --split global or user"):
        check_split("x", "given", ("global", "user"), True)
    with pytest.raises(UsageError, match="x has no time column, which split `global` needs"):
        check_split("x", "global", ("global",), False)
    with pytest.raises(DataError, match="leaves no train rows"):
        check_parts("x", "global", np.bincount(global_cut(np.zeros(5, np.int64)), minlength=3))


FLOATS = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan) | st.integers(0, 3).map(float), max_size=200)


@given(FLOATS, st.integers(0, 99))
def test_edges_of_values_that_stand_on_several_rows(values: list[float], seed: int) -> None:
    value = np.array(values, np.float64)
    weight = np.random.default_rng(seed).integers(0, 4, len(value))
    assert buckets.edges(value, weight).tolist() == buckets.edges(np.repeat(value, weight)).tolist()


@given(FLOATS, FLOATS)
def test_buckets_match_numpy(train: list[float], other: list[float]) -> None:
    value = np.array(train, np.float64)
    edge = buckets.edges(value)
    finite = value[~np.isnan(value)]
    expected = np.unique([np.percentile(finite, p) for p in range(2, 100, 2)]) if len(finite) else np.empty(0)
    assert edge.tolist() == expected.tolist()
    ids = buckets.bucket(np.array(other + [math.inf, -math.inf]), edge)
    assert ids[-1] == ids[-2] == buckets.ABSENT
    for number, bucket in zip(other, ids, strict=False):
        assert bucket == (1 if math.isnan(number) else 2 + sum(e < number for e in edge))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60), st.integers(0, 99))
def test_edges_and_buckets_of_any_floats(values: list[float], seed: int) -> None:
    value = np.array(values, np.float64)
    weight = np.random.default_rng(seed).integers(1, 4, len(value))
    edge = buckets.edges(value, weight)
    assert np.isfinite(edge).all() and (np.diff(edge) > 0).all()
    ids = buckets.bucket(value, edge)
    assert ((ids == buckets.ABSENT) == ~np.isfinite(value)).all()
    assert fits(np.bincount(ids, weight, buckets.size(edge)).astype(np.int64), len(edge))


def test_edges_of_numbers_whose_difference_is_infinite() -> None:
    edge = buckets.edges(np.array([-1.7e308, 1.7e308]))
    assert np.isfinite(edge).all() and len(edge) == 49 and edge[24] == 0


def test_buckets_are_closed_on_the_right() -> None:
    value = np.repeat([1.0, 2.0, 3.0], 100)
    assert buckets.edges(value).tolist() == [1.0, 2.0, 3.0]
    assert buckets.bucket(np.array([0.5, 1.0, 1.1, 3.0, 3.1, math.nan]), buckets.edges(value)).tolist() == [
        *(2, 2, 3, 4, 5, 1)
    ]


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
        ({"rating": [5, None]}, "is undefined in 1 rows, as in rating None"),
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


def built(
    folder: Path, log: pl.DataFrame, table: pl.DataFrame | None, side: Side, train: list[bool], **options: Any
) -> tuple[Entities, pl.DataFrame, pl.DataFrame, list[int]]:
    """Encode the entities of a log; return also their ids, keys and the row of each log row."""
    spec = replace(find("synthetic"), **options)
    keys = Keys((side.key,) if table is not None and side.key else side.identity, folder / "keys.parquet")
    code = pl.concat([keys.code(block) for block in log.iter_slices(2)]).to_numpy()
    blocks = None if table is None else table.iter_slices(2)
    features = entities.attach_features(keys, blocks, side, folder / "table.parquet")
    counts = np.zeros((3, len(keys)), np.uint32)
    np.add.at(counts, (np.where(train, 0, 2), code), 1)
    entity = entities.fit(spec, side, keys, features, counts)
    parts = list(entities.encode(entity, 3, folder / "ranges"))
    return entity, pl.concat(ids for ids, _ in parts), pl.concat(key for _, key in parts), entity.row[code].tolist()


def test_entities_of_a_table(tmp_path: Path) -> None:
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
    entity, ids, keys, row = built(tmp_path, log, table, side, [True, True, True, True, False])
    assert keys.rows() == [(0, 2), (1, 9), (2, 10), (3, 7)]
    assert (entity.seen, row) == (3, [2, 1, 0, 2, 3])
    assert ids["id"].to_list() == [1, 2, 3, 0]
    assert ids["city"].to_list() == [2, 3, 1, 0]  # B, Z, null
    assert ids["bag"].to_list() == [[2], [0], [1], [1]]  # cut to the longest bag in train
    columns = {it.column.name: it for it in entity.encodings}
    assert columns["city"].vocabulary is not None and columns["age"].edges is not None
    assert columns["city"].vocabulary.rows() == [(1, "B"), (2, "Z"), (3, None)]
    assert columns["age"].edges[0] == 1.0 + 0.06 * 2  # over rows (3, 1, 5, 3), not over entities
    assert [(it.column.name, it.column.size, it.column.width) for it in entity.encodings] == [
        ("id", 4, 1),
        ("city", 4, 1),
        ("bag", 3, 1),
        ("age", 2 + len(columns["age"].edges) + 1, 1),
    ]


def test_entities_without_a_table_are_distinct_rows(tmp_path: Path) -> None:
    log = pl.DataFrame({"id": ["b", "a", "b", "b"], "city": ["X", None, "Y", "X"]})
    entity, _, keys, row = built(tmp_path, log, None, Side("id", ("city",)), [True] * 4)
    assert keys.rows() == [(0, "b", "X"), (1, "a", None), (2, "b", "Y")]  # as they appear
    assert row == [0, 1, 2, 0] and (entity.keys, entity.count) == (2, 3)


def test_an_entity_that_its_table_lacks_has_empty_features(tmp_path: Path) -> None:
    log = pl.DataFrame({"id": [1, 2]})
    table = pl.DataFrame({"id": [1], "city": ["A"]})
    entity, ids, _, _ = built(tmp_path, log, table, Side("id", ("city",)), [True, True])
    assert ids["city"].to_list() == [1, 2]
    assert entity.encodings[0].vocabulary is not None
    assert entity.encodings[0].vocabulary.rows() == [(1, "A"), (2, None)]


def test_rare_values_are_unknown(tmp_path: Path) -> None:
    log = pl.DataFrame({"id": [1, 2, 3, 4, 5, 6], "city": ["A", "B", "A", "C", "B", "C"]})
    train = [True, True, True, True, True, False]  # C stands on one train row only
    _, ids, _, _ = built(tmp_path, log, None, Side("id", ("city",)), train, min_count=2)
    assert ids["city"].to_list() == [1, 2, 1, 0, 2, 0]


def test_dense_vectors(tmp_path: Path) -> None:
    log = pl.DataFrame({"id": [1, 2, 3], "v": ["0.5|1", None, "-2|1e3"]})
    side = Side("id", vector=("v",))
    entity, ids, _, _ = built(tmp_path, log, None, side, [True, True, True])
    assert entity.encodings[0].column == Column("v", "vector", 0, 2)
    assert ids["v"].to_list() == [[0.5, 1.0], [0.0, 0.0], [-2.0, 1000.0]]
    for value, message in (("1|2|3", r"holds \[2, 3\] numbers a row"), ("x|1", "vector `v`")):
        with pytest.raises(DataError, match=message):
            built(tmp_path, log.with_columns(v=pl.Series(["0|1", value, None])), None, side, [True] * 3)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 3) | st.none()), min_size=1, max_size=40))
def test_keys_are_numbered_as_they_appear(rows: list[tuple[str | None, int | None]]) -> None:
    log = pl.DataFrame(rows, schema={"x": pl.String, "y": pl.Int64}, orient="row")
    first = list(dict.fromkeys(rows))
    with TemporaryDirectory() as folder:
        keys = Keys(("x", "y"), Path(folder) / "keys.parquet")
        codes = [code for block in log.iter_slices(3) for code in keys.code(block)]
        assert codes == [first.index(row) for row in rows]
        assert [row[:2] for frame in keys.features.frames() for row in frame.rows()] == first
        single = Keys(("y",), Path(folder) / "single.parquet")
        codes = [code for block in log.iter_slices(3) for code in single.code(block)]
        order = single.order(np.zeros(len(single), np.bool_))
        ranked = sorted({y for _, y in rows}, key=lambda y: (y is None, y or 0))
        assert [ranked.index(y) for _, y in rows] == [order.tolist().index(code) for code in codes]


def test_a_spool_gives_back_what_it_got(tmp_path: Path) -> None:
    frames = [pl.DataFrame({"n": [1, 2], "t": ["x", None]}), pl.DataFrame({"n": [3], "t": ["y"]})]
    spool = FrameFile(tmp_path / "a" / "s.parquet")
    for frame in frames:
        spool.append(frame)
    assert [frame.rows() for frame in spool.frames()] == [frame.rows() for frame in frames]
    assert [frame.rows() for frame in spool.frames(["t"])] == [[("x",), (None,)], [("y",)]]
    assert list(FrameFile(tmp_path / "none.parquet").frames()) == []
