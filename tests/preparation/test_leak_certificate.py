from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.console import Console

from recbench.data.manifest import Finding, Manifest
from recbench.errors import DataError
from recbench.preparation import manifest_contents, recount
from recbench.preparation.leak_certificate import broken, certify, findings_table, fits
from recbench.preparation.splits.base import SPLITS
from recbench.sources.catalog import find

Fields = dict[str, Any]  # of a manifest, as JSON values
PARTS = ("train", "valid", "test")
USERS, ITEMS, ROWS = 60, 90, 3000
PERCENTILES = range(2, 100, 2)


def log(split: str) -> pl.DataFrame:
    """Raw rows with their part; items change with time, so that later ones have other brands and prices."""
    random = np.random.default_rng(0)
    time = np.arange(ROWS)
    frame = pl.DataFrame(
        {
            "user": random.integers(0, USERS, ROWS),
            "item": random.integers(0, 30, ROWS) + time * 60 // ROWS,
            "view": (random.random(ROWS) < 0.5).astype(np.uint8),
            "timestamp": 1000 + time,
        }
    ).with_columns(buy=pl.col("view") * pl.Series((random.random(ROWS) < 0.3).astype(np.uint8)))
    place = pl.int_range(pl.len())
    position, count = (place.over("user"), pl.len().over("user")) if split == "user" else (place, pl.len())
    share = position / count
    if split in ("random", "given"):
        share = pl.Series(random.random(ROWS))
    elif split == "users":
        share = pl.col("user") / USERS
    part = pl.when(share < 0.63).then(0).when(share < 0.7).then(1).otherwise(2)
    return frame.with_columns(part=part)


def numbered(raw: pl.DataFrame, side: str) -> pl.DataFrame:
    """Return the raw number of each entity and its row of the table, those in train first, and if they are."""
    held = raw.group_by(pl.col(side).alias("raw")).agg(seen=(pl.col("part") == 0).any())
    return held.sort(~pl.col("seen"), "raw").with_row_index("row")


def made(folder: Path, split: str = "global", timed: bool = True, leak: str = "", min_count: int = 1) -> Fields:
    """Write a prepared folder and return the fields of its manifest; `leak` is fitted on all rows, not on train."""
    raw = log(split)
    train = raw.filter(pl.col("part") == 0)
    users, items = numbered(raw, "user"), numbered(raw, "item")

    def fit(what: str) -> pl.DataFrame:
        return raw if leak == what else train

    def ids(values: pl.Series, known: pl.Series) -> tuple[pl.Series, int]:
        common = known.value_counts().filter(pl.col("count") >= min_count)[:, 0].sort().to_list()
        return values.replace_strict(common, range(1, len(common) + 1), default=0, return_dtype=pl.Int32), len(common)

    def price(item: pl.Series) -> NDArray[np.float64]:
        return np.where(item % 17 == 0, np.nan, item.to_numpy() * 1.7 % 29 + item.to_numpy())

    city, cities = ids(users["raw"] % 7, fit("vocabulary")["user"] % 7)
    brand, brands = ids(items["raw"] // 4, fit("vocabulary")["item"] // 4)
    known = price(fit("edges")["item"])
    edges = np.unique(np.percentile(known[~np.isnan(known)], PERCENTILES))
    bucket = np.where(np.isnan(price(items["raw"])), 1, 2 + (price(items["raw"])[:, None] > edges).sum(1))
    bags = [[brand[row] or 0, 0] if raw % 3 else [0, 0] for row, raw in enumerate(items["raw"])]
    pl.DataFrame({"city": city}).write_parquet(folder / "users.parquet")
    pl.DataFrame(
        {"brand": brand, "tags": bags, "price": bucket},
        schema={"brand": pl.Int32, "tags": pl.List(pl.Int32), "price": pl.Int32},
    ).write_parquet(folder / "items.parquet")
    rows = raw.with_columns(
        user=pl.col("user").replace_strict(users["raw"], users["row"], return_dtype=pl.Int32),
        item=pl.col("item").replace_strict(items["raw"], items["row"], return_dtype=pl.Int32),
        level=pl.col("view") + pl.col("buy"),
    ).select("user", "item", "view", "buy", "level", *(["timestamp"] if timed else []), "part")
    for number, part in enumerate(PARTS):
        rows.filter(pl.col("part") == number).drop("part").write_parquet(folder / f"{part}.parquet", row_group_size=500)
    rates = fit("rates").select("view", "buy").mean().row(0)
    fields = {
        "split": split + "+8-1-1" * (split == "global"),
        "feedback": ["view", "buy"],
        "rates": dict.fromkeys(PARTS, dict(zip(("view", "buy"), rates, strict=True))),
        "level_rates": list(rates),
        "thresholds": [math.log((1 - rate) / rate) for rate in rates],
        "time": dict.fromkeys(PARTS, (0, 0)) if timed else None,
        "users": {
            "count": len(users),
            "keys": len(users),
            "seen": int(users["seen"].sum()),
            "columns": [{"name": "city", "kind": "categorical", "size": cities + 1, "width": 1}],
        },
        "items": {
            "count": len(items),
            "keys": len(items),
            "seen": int(items["seen"].sum()),
            "columns": [
                {"name": "brand", "kind": "categorical", "size": brands + 1, "width": 1},
                {"name": "tags", "kind": "bag", "size": brands + 1, "width": 2},
                {"name": "price", "kind": "numeric", "size": len(edges) + 3, "width": 1},
            ],
        },
        "edges": {"user": {}, "item": {"price": edges.tolist()}},
        "aggregates": {},
    }
    none = {"distinct": 0, "rows": 0}
    spec = replace(find("synthetic"), min_count=min_count, ratio=(8, 1, 1))
    fields |= {
        **dict.fromkeys(("title", "licence", "citation", "note", "created"), ""),
        "dataset": "made",
        "new_test_users": split == "users",
        "fingerprint": "0" * 64,
        "rows": dict.fromkeys(PARTS, 0),
        "truth": False,
        "unnested": 0.0,
        "new": {part: {"users": none, "items": none} for part in ("valid", "test")},
        "counts": {"expected": {}, "found": {}, "matches": None},
        "sources": [],
        "absent": [],
        "options": msgspec.to_builtins(manifest_contents.options(spec, SPLITS.get(split)(spec.ratio), None)),
        "rules": [],
        "versions": {},
    }
    return fields


def certified(folder: Path, fields: Fields) -> list[Finding]:
    """Certify a folder whose manifest has these fields."""
    return certify(folder, msgspec.convert(fields, Manifest))


def rewrite(folder: Path, name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    frame = pl.read_parquet(folder / f"{name}.parquet")
    change(frame).write_parquet(folder / f"{name}.parquet")


def leaks(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings if finding.status == "broken"]


def of(findings: list[Finding], rule: str) -> Finding:
    return next(finding for finding in findings if finding.rule == rule)


CASES = [("global", True), ("user", True), ("random", True), ("users", True), ("given", True), ("given", False)]
RULES = [
    "time order",
    "entity tables",
    "new entities",
    "repeated rows",
    "repeated pairs",
    "vocabularies",
    "bucket edges",
    "rates",
    "aggregates",
]


@pytest.mark.parametrize(("split", "timed"), CASES)
def test_a_clean_folder_breaks_nothing(tmp_path: Path, split: str, timed: bool) -> None:
    findings = certified(tmp_path, made(tmp_path, split, timed))
    assert leaks(findings) == [] and not broken(findings)
    assert [finding.rule for finding in findings] == RULES + ["users apart"] * (split == "users")


@pytest.mark.parametrize(("split", "timed"), [("global", True), ("user", True)])
@pytest.mark.parametrize(("leak", "rule"), [("vocabulary", 5), ("edges", 6), ("rates", 7)])
def test_what_is_fitted_on_all_rows(tmp_path: Path, split: str, timed: bool, leak: str, rule: int) -> None:
    findings = certified(tmp_path, made(tmp_path, split, timed, leak))
    assert leaks(findings) == [RULES[rule]] and broken(findings)


def test_a_train_and_a_test_row_swapped_in_time(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    time = {part: pl.read_parquet(tmp_path / f"{part}.parquet")["timestamp"].to_list() for part in PARTS}
    clean = of(certified(tmp_path, manifest), "time order")
    assert clean.message == "train ends 1 s before valid begins, and valid 1 s before test begins"
    for part, moment, other in (("train", time["train"][100], time["test"][50]), ("test", time["test"][50], 1100)):
        changed = pl.when(pl.col("timestamp") == moment).then(other).otherwise("timestamp")
        rewrite(tmp_path, part, lambda frame, changed=changed: frame.with_columns(timestamp=changed))
    findings = certified(tmp_path, manifest)
    assert leaks(findings) == ["time order"]
    assert of(findings, "time order").numbers == {"late_train_rows": 1, "late_valid_rows": 210}
    assert of(findings, "time order").message == (
        "1 of 1,890 train rows (0.05%) are as late as the first valid row or later, and 210 of 210 valid rows "
        "(100.00%) as late as the first test row or later"
    )


def test_a_bound_within_one_moment(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    rewrite(tmp_path, "valid", lambda frame: frame.with_columns(pl.col("timestamp") - 1))
    findings = certified(tmp_path, manifest)
    assert leaks(findings) == ["time order"]
    assert of(findings, "time order").numbers == {"late_train_rows": 1, "late_valid_rows": 0}


def test_a_user_whose_train_row_is_later_than_a_test_row(tmp_path: Path) -> None:
    manifest = made(tmp_path, "user")
    mine = pl.col("user") == 7

    def moved(part: str, of_others: str, by: int) -> None:
        first = pl.read_parquet(tmp_path / f"{of_others}.parquet").filter(mine)["timestamp"].min()
        latest = mine & (pl.col("timestamp") == pl.col("timestamp").filter(mine).max())
        changed = pl.when(latest).then(pl.lit(first) + by).otherwise("timestamp")
        rewrite(tmp_path, part, lambda frame: frame.with_columns(timestamp=changed))

    moved("train", "valid", 0)  # ties are in file order, which the rows do not tell
    assert leaks(certified(tmp_path, manifest)) == []
    moved("train", "valid", 1)
    findings = certified(tmp_path, manifest)
    assert leaks(findings) == ["time order"]
    assert of(findings, "time order").numbers == {"users": 60, "users_train_late": 1, "users_valid_late": 0}
    moved("valid", "test", 1)
    assert of(certified(tmp_path, manifest), "time order").numbers["users_valid_late"] == 1


@pytest.mark.parametrize("split", ["random", "users", "given"])
def test_train_rows_later_than_test_are_message_where_the_split_means_it(tmp_path: Path, split: str) -> None:
    manifest = made(tmp_path, split)
    coarse = pl.col("timestamp") // 50  # so that train rows have the time of the first test row
    for part in PARTS:
        rewrite(tmp_path, part, lambda frame: frame.with_columns(coarse))
    finding = of(certified(tmp_path, manifest), "time order")
    raw = log(split).with_columns(coarse)
    late = (raw["part"] == 0) & (raw["timestamp"] > raw.filter(pl.col("part") == 2)["timestamp"].min())
    assert finding.status == "note"
    assert finding.numbers == {"late_train_rows": late.sum(), "train_rows": (raw["part"] == 0).sum()}
    assert f"({late.sum() / (raw['part'] == 0).sum():.2%}) are later than the first test row" in finding.message


@pytest.mark.parametrize("batch", [50, 1 << 18])
@pytest.mark.parametrize(("split", "timed"), CASES)
def test_new_entities_and_repeats_are_those_of_plain_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str, timed: bool, batch: int
) -> None:
    monkeypatch.setattr(recount, "BATCH", batch)
    monkeypatch.setattr(recount, "KEYS", 5 * batch)
    manifest = made(tmp_path, split, timed)
    if timed and split == "user":  # at the moment of the last train row, so that the split is kept
        last = pl.read_parquet(tmp_path / "train.parquet").group_by("user").agg(pl.all().last())
        rewrite(tmp_path, "valid", lambda frame: pl.concat([last.select(frame.columns), frame]))
    rows = {part: pl.read_parquet(tmp_path / f"{part}.parquet") for part in PARTS}
    findings = certified(tmp_path, manifest)
    for part in PARTS[1:]:
        for side in ("user", "item"):
            new = [entity for entity in rows[part][side] if entity not in set(rows["train"][side])]
            numbers = of(findings, "new entities").numbers
            assert (numbers[f"{part}_{side}s"], numbers[f"{part}_{side}s_rows"]) == (len(set(new)), len(new))
    train = set(rows["train"].rows())
    again = sum(row in train for part in PARTS[1:] for row in rows[part].rows())
    assert of(findings, "repeated rows").numbers == {"rows": again}
    assert of(findings, "repeated rows").status == ("note" if again else "ok")
    assert bool(again) == (split == "user" or not timed)
    pairs = {part: set(frame.filter(pl.col("level") > 0).select("user", "item").rows()) for part, frame in rows.items()}
    shared = len(pairs["train"] & pairs["test"])
    assert of(findings, "repeated pairs").numbers == {"pairs": shared, "test_pairs": len(pairs["test"])}
    assert bool(shared) == (split != "users")
    assert leaks(findings) == []


def test_a_user_in_both_train_and_test(tmp_path: Path) -> None:
    manifest = made(tmp_path, "users")
    rewrite(
        tmp_path,
        "test",
        lambda frame: frame.with_columns(user=pl.when(pl.col("user") == 59).then(3).otherwise("user").cast(pl.Int32)),
    )
    findings = certified(tmp_path, manifest)
    assert leaks(findings) == ["users apart"]
    assert (
        of(findings, "users apart").message
        == "1 of 60 users (1.67%) are in more than one part (train 38, valid 4, test 18)"
    )


@pytest.mark.parametrize("by", [-1, 1])
def test_tables_whose_first_entities_are_not_those_in_train(tmp_path: Path, by: int) -> None:
    manifest = made(tmp_path)
    manifest["items"]["seen"] += by
    findings = certified(tmp_path, manifest)
    assert leaks(findings) == ["entity tables"]
    assert of(findings, "entity tables").numbers == {"users": 0, "items": 1}


@pytest.mark.parametrize("name", ["brand", "tags"])
def test_an_id_that_only_unseen_entities_have(tmp_path: Path, name: str) -> None:
    manifest = made(tmp_path)
    column = next(column for column in manifest["items"]["columns"] if column["name"] == name)
    fresh = column["size"]
    column["size"] += 1

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        values = frame[name].to_list()
        values[-1] = [fresh, 1] if name == "tags" else fresh
        return frame.with_columns(pl.Series(name, values, dtype=frame[name].dtype))

    rewrite(tmp_path, "items", change)
    findings = certified(tmp_path, manifest)
    assert leaks(findings) == ["vocabularies"]
    assert of(findings, "vocabularies").message.endswith(f"do not occur in train: `{name}` of items (1)")


def test_a_value_on_too_few_train_rows(tmp_path: Path) -> None:
    manifest = made(tmp_path, min_count=20)
    finding = of(certified(tmp_path, manifest), "vocabularies")
    assert finding.status == "ok" and finding.message.endswith("occur in train, categorical ones on at least 20 rows")
    rare = made(tmp_path)
    rare["options"]["min_count"] = 20
    assert rare["items"]["columns"][0]["size"] > manifest["items"]["columns"][0]["size"]
    findings = certified(tmp_path, rare)
    assert leaks(findings) == ["vocabularies"]
    gone = rare["items"]["columns"][0]["size"] - manifest["items"]["columns"][0]["size"]
    assert of(findings, "vocabularies").numbers["unfit"] == gone  # and none of the bags, whose values all count


@pytest.mark.parametrize(
    ("path", "by", "status"),
    [
        (("rates", "train", "buy"), 1e-9, "broken"),
        (("level_rates", 0), 1e-9, "broken"),
        (("thresholds", 1), -1e-9, "broken"),
        (("level_rates", 0), 1e-14, "ok"),
    ],
)
def test_a_rate_that_is_not_that_of_train(tmp_path: Path, path: tuple[Any, ...], by: float, status: str) -> None:
    manifest = made(tmp_path)
    message: Any = manifest
    for key in path[:-1]:
        message = message[key]
    message[path[-1]] += by
    findings = certified(tmp_path, manifest)
    assert leaks(findings) == ["rates"] * (status == "broken")
    assert of(findings, "rates").status == status


def test_the_order_of_feedback_is_from_dense_to_sparse(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    manifest["feedback"] = ["buy", "view"]
    levels = [manifest["level_rates"][0]] * 2  # a view is level 2 now
    levels[1] = manifest["rates"]["train"]["view"]
    manifest |= {"level_rates": levels, "thresholds": [math.log((1 - rate) / rate) for rate in levels]}
    findings = certified(tmp_path, manifest)
    assert leaks(findings) == ["rates"]
    assert of(findings, "rates").message.endswith(": the order of the feedback types")


def test_levels_count_the_highest_feedback_and_every_row_may_reach_one(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    rewrite(tmp_path, "train", lambda frame: frame.with_columns(view=pl.lit(1, pl.UInt8)))
    buys = pl.read_parquet(tmp_path / "train.parquet")["buy"].mean()
    assert isinstance(buys, float)
    manifest["rates"] = dict.fromkeys(PARTS, {"view": 1.0, "buy": buys})
    manifest |= {"level_rates": [1.0, buys], "thresholds": [None, math.log((1 - buys) / buys)]}
    assert leaks(certified(tmp_path, manifest)) == []
    manifest["thresholds"][0] = 0.0
    assert leaks(certified(tmp_path, manifest)) == ["rates"]


def test_features_that_know_of_the_test_days(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    manifest["aggregates"] = dict.fromkeys(("price", "brand", "city", "tags", "absent"), "counted over all days")
    findings = certified(tmp_path, manifest)
    assert leaks(findings) == ["aggregates"]
    assert of(findings, "aggregates").message == (
        "known leak: 4 of 4 features (100.00%) include the test days: `city` of users, `brand` of items, "
        "`tags` of items and 1 more (counted over all days)"
    )
    manifest["aggregates"] = {"absent": "not a feature here"}
    assert leaks(certified(tmp_path, manifest)) == []


VALUES = st.lists(
    st.tuples(st.sampled_from([-3.0, 0.0, 0.1, 1.0, 7.5]) | st.floats(-1e6, 1e6), st.integers(1, 300)),
    min_size=1,
    max_size=60,
)


def buckets(value: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many values have each id: 2 and the number of edges below them."""
    return np.bincount(2 + (value[:, None] > edges).sum(1), minlength=len(edges) + 3)


@given(VALUES)
def test_percentiles_fit_whatever_the_values(values: list[tuple[float, int]]) -> None:
    value = np.repeat([v for v, _ in values], [n for _, n in values])
    edges = np.unique(np.percentile(value, PERCENTILES))
    assert fits(buckets(value, edges), len(edges))


@given(st.integers(0, 2**32 - 1), st.integers(300, 3000), st.sampled_from([-0.5, 0.5]))
def test_percentiles_of_train_and_a_shifted_test_do_not_fit(seed: int, rows: int, shift: float) -> None:
    random = np.random.default_rng(seed)
    train, test = random.normal(size=rows), random.normal(shift, 1, rows // 2)
    edges = np.unique(np.percentile(np.concatenate([train, test]), PERCENTILES))
    assert not fits(buckets(train, edges), len(edges))


def test_edges_that_no_percentiles_are() -> None:
    even = np.full(50, 20)  # 1000 distinct values in 50 buckets
    assert fits(np.array([0, 7, *even]), 49)  # id 1, an absent number, does not count
    assert not fits(np.array([0, 0, *even[:-1], 0, 20]), 50)  # more edges than percentiles
    assert not fits(np.array([0, 0, 40, 0, *even[:-2], 20]), 49)  # the first is the fourth percentile, like the second
    assert not fits(np.array([0, 0, *even[:-2], 0, 40]), 49)  # the last is not the 98th
    assert fits(np.array([0, 0, 500, 500]), 1) is False  # one edge is the 98th percentile and all the others
    assert fits(np.array([0, 0, 1000, 0]), 1)
    assert not fits(np.array([0, 0, 1000, 0]), 3)  # not as many buckets as edges
    assert fits(np.array([0, 9, 0]), 0)  # no number, no edge
    assert not fits(np.array([0, 0, 9]), 0) and not fits(np.array([0, 9, 0, 0]), 1)


def test_table_and_json(tmp_path: Path) -> None:
    findings = certified(tmp_path, made(tmp_path))
    message = json.loads(json.dumps(msgspec.to_builtins(findings), allow_nan=False))
    assert [finding["rule"] for finding in message] == RULES
    assert message[3] == {
        "rule": "repeated rows",
        "status": "ok",
        "message": "none of 1,110 valid and test rows repeat a train row: same user, item, time and feedback",
        "numbers": {"rows": 0},
    }
    findings.append(Finding("x", "broken", "[bold] is no markup", {}))
    console = Console(width=200)
    with console.capture() as captured:
        console.print(findings_table(findings))
    lines = [line.rstrip() for line in captured.get().splitlines()[2:]]
    for line, finding in zip(lines, findings, strict=True):
        assert line.startswith(f"{finding.rule} ") and f" {finding.status} " in line and line.endswith(finding.message)


def test_damaged_files(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    whole = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    damages: list[tuple[str, Callable[[Path], object], str]] = [
        ("test", lambda path: path.unlink(), r"test.parquet: missing; run `recbench prepare"),
        ("test", lambda path: path.write_bytes(whole["test.parquet"][:-20]), r"test.parquet: damaged \("),
        ("valid", lambda path: pl.read_parquet(path).drop("buy").write_parquet(path), "no column `buy`"),
        ("train", lambda path: pl.read_parquet(path).with_columns(user=-1).write_parquet(path), "names no user"),
        ("train", lambda path: pl.read_parquet(path).with_columns(item=90).write_parquet(path), "names no item"),
        ("users", lambda path: pl.read_parquet(path).head(-1).write_parquet(path), "59 users, not 60 as in"),
        ("items", lambda path: pl.read_parquet(path).with_columns(brand=99).write_parquet(path), "`brand` has an id"),
    ]
    for name, damage, message in damages:
        damage(tmp_path / f"{name}.parquet")
        with pytest.raises(DataError, match=message):
            certified(tmp_path, manifest)
        (tmp_path / f"{name}.parquet").write_bytes(whole[f"{name}.parquet"])
