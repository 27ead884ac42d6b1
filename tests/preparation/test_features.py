"""Features in tables beside the log, features that hold since some time, and those of several values a key."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.data.dataset import Dataset
from recbench.errors import DataError, UsageError
from recbench.memory import Memory
from recbench.preparation.coded_log import read_log
from recbench.preparation.entity_keys import CODE
from recbench.preparation.features import settled_features
from recbench.preparation.prepare import Prepared, prepare
from recbench.preparation.report import warnings
from recbench.readers.base import RawTables
from recbench.sources.dataset_spec import DatasetSpec, Side

ENTRY = """
[shop]
title = "Own shop"
reader = "table"
files = ["log.csv"]
time = "ts"
feedback = { buy = "event = 'buy'" }
user = { key = "user", categorical = ["user"] }
item = { key = "item", KEYS }
"""
FILE = 'file = "items.csv", categorical = ["item", "brand"], bag = ["tags"], numeric = ["price"], vector = ["v"]'


def write(folder: Path, keys: str, items: str | pl.DataFrame, entry: str = ENTRY, name: str = "items.csv") -> Path:
    """Write a log of 40 rows and 8 items, their table and the catalogue; return the path of the last."""
    lines = ["user,item,ts,event"]
    lines += [f"u{n % 5},{n * 3 % 8},{1000 + n},{'buy' if n % 3 else 'see'}" for n in range(40)]
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    if isinstance(items, str):
        (folder / name).write_text(items)
    else:
        items.write_parquet(folder / name)
    (folder / "own.toml").write_text(entry.replace("KEYS", keys))
    return folder / "own.toml"


def own(toml: Path) -> Prepared:
    return prepare("shop", catalog=toml)


def raw_values(prepared: Prepared, feature: str) -> dict[Any, Any]:
    """Return the raw values of a categorical feature of the items by key."""
    data = Dataset.load(prepared.folder)
    column = next(place for place, column in enumerate(data.items.columns) if column.name == feature)
    ids = data.items.value[:, sum(column.width for column in data.items.columns[:column])].tolist()
    known = dict(pl.read_parquet(prepared.folder / "vocabulary" / f"item.{feature}.parquet").rows())
    keys = pl.read_parquet(prepared.folder / "vocabulary" / "item.parquet").sort("row")["item"]
    return {key: known[number] for key, number in zip(keys, ids, strict=True)}


ITEMS = "item,brand,tags,price,v\n" + "".join(f"{n},b{n % 3},x|y{n},{n * 1.5},{n}|1\n" for n in range(8))


def test_a_table_beside_the_log_is_the_features_on_its_rows(tmp_path: Path) -> None:
    """Joined by hand into the log, the same columns give the same tables: only the order of the items differs."""
    prepared = own(write(tmp_path, FILE, ITEMS))
    assert warnings(prepared.manifest) == []
    by_hand = tmp_path / "by-hand"
    by_hand.mkdir()
    toml = write(by_hand, FILE.partition(", ")[2], ITEMS)
    log = pl.read_csv(by_hand / "log.csv")
    log.join(pl.read_csv(by_hand / "items.csv"), on="item", maintain_order="left").write_csv(by_hand / "log.csv")
    joined = prepare("shop", catalog=toml, force=True)
    assert joined.manifest.items == prepared.manifest.items
    assert joined.manifest.edges == prepared.manifest.edges
    assert raw_values(prepared, "brand") == {n: f"b{n % 3}" for n in range(8)} == raw_values(joined, "brand")


def test_the_table_may_be_parquet_or_json_with_another_separator_key_and_ids_as_text(tmp_path: Path) -> None:
    whole = own(write(tmp_path, FILE, ITEMS))
    frame = pl.read_csv(tmp_path / "items.csv")
    for number, (name, items, more) in enumerate(
        [
            ("items.parquet", frame.rename({"item": "id"}).cast({"id": pl.String}), ', file_key = "id"'),
            ("items.parquet", frame.cast({"item": pl.Float64}), ""),
            ("items.json", frame.write_ndjson(), ""),
            ("items.csv", ITEMS.replace(",", ";"), ', file_separator = ";"'),
            ("items-*.csv", ITEMS, ""),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        keys = FILE.replace("items.csv", name) + more
        toml = write(folder, keys, items, name=name.replace("*", "all"))
        log_too = toml.read_text().replace('["log.csv"]', '["log.csv", "*.csv"]')
        toml.write_text(log_too if name == "items-*.csv" else toml.read_text())
        assert prepare("shop", catalog=toml, force=True).manifest.fingerprint == whole.manifest.fingerprint, name
    assert [source.file for source in whole.manifest.sources] == ["log.csv", "items.csv"]


def test_weights_of_rows_stand_in_the_log_alone(tmp_path: Path) -> None:
    toml = write(tmp_path, FILE, ITEMS, ENTRY.replace('time = "ts"', 'time = "ts"\nweight = "ts / 2.0"'))
    train = pl.read_parquet(own(toml).folder / "train.parquet")
    assert train["weight"].to_list() == [time / 2 for time in train["timestamp"]]


def test_items_that_the_table_lacks_are_counted_and_said(tmp_path: Path) -> None:
    lacking = "".join(line for line in ITEMS.splitlines(keepends=True) if line[:2] not in ("2,", "5,"))
    toml = write(tmp_path, FILE, lacking + "99,b,,,\n")
    prepared = own(toml)
    assert prepared.manifest.items.undescribed == 2
    assert warnings(prepared.manifest) == ["2 of 8 items are not in items.csv, so that their features are empty"]
    assert raw_values(prepared, "brand") == {n: None if n in (2, 5) else f"b{n % 3}" for n in range(8)}
    (tmp_path / "items.csv").write_text(ITEMS)
    again = own(toml)
    assert again.fresh and again.manifest.items.undescribed == 0  # another table is another dataset


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (ITEMS + "3,b9,,,\n", "items.csv, line 10, column `item`: 3 stands on an earlier row too; keep one, or name"),
        (ITEMS + ",b9,,,\n", "items.csv, line 10, column `item`: empty"),
        (ITEMS.replace("brand", "brnd"), "items.csv, line 1: no column `brand`; did you mean `brnd`?"),
        (
            ITEMS.replace("\n", "\nx"),
            r"items.csv: has none of the 8 values of `item` in the log \(0, 3, 6, …\), but x",
        ),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, items: str, message: str) -> None:
    items = items.removesuffix("x") if message.startswith("items.csv: has") else items
    with pytest.raises(DataError, match=message) as caught:
        own(write(tmp_path, FILE, items))
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"shop: itms.csv not found beside the catalogue"):
        own(write(tmp_path, FILE.replace("items.csv", "itms.csv"), ITEMS))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('categorical = ["item"], file_key = "id"', "shop.item: `file_key` is of a file"),
        ('categorical = ["item"], file_time = "id"', "shop.item: `file_time` is of a file"),
        (FILE + ', changing = "last"', "shop.item: `changing` has no effect on a file of one row per key"),
        (FILE + ', changing = "newest"', "shop: Invalid enum value 'newest'"),
        ('categorical = ["item"], changing = "last" }\ncomplete = true\nmore_feedback = {', "do not go together"),
        (FILE + ', files = "x"', "shop.item: unknown key `files`; did you mean `file`?"),
    ],
)
def test_options_that_cannot_be_meant(tmp_path: Path, keys: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        own(write(tmp_path, keys, ITEMS))


SINCE = "item,price,ts\n3,10,1000\n3,12,1012\n3,11,1020\n0,5,1010\n6,1,9999\n"


def test_features_that_hold_since_some_time(tmp_path: Path) -> None:
    keys = 'file = "items.csv", file_time = "ts", categorical = ["item", "price"]'
    prepared = own(write(tmp_path, keys, SINCE))
    frame = pl.read_parquet(prepared.folder / "vocabulary" / "item.parquet")
    found = set(frame.select("item", "price").rows())
    # item 3 is logged at 1001, 1009, 1017, 1025, …; item 0 at 1000, 1008, 1016, …; the rest is not in the table then
    assert found == {(3, 10), (3, 12), (3, 11), (0, None), (0, 5), *((n, None) for n in (1, 2, 4, 5, 6, 7))}
    assert prepared.manifest.items.keys == 8
    for line in ("4,1,1005\n4,2,1005\n",):
        with pytest.raises(DataError, match="items.csv: two rows of item 4 hold since the same time; keep one"):
            own(write(tmp_path, keys, SINCE + line))
    with pytest.raises(DataError, match="items.csv: the log has a column `event` too; rename one of the two"):
        own(write(tmp_path, keys.replace('"price"', '"event"'), SINCE.replace("price", "event")))
    with pytest.raises(DataError, match="items.csv: the log has a column `ts` too; rename one of the two"):
        since = SINCE.replace("ts", "since").replace("price", "ts")
        own(write(tmp_path, keys.replace('"ts"', '"since"').replace('"price"', '"ts"'), since))


@pytest.mark.parametrize("name", ["place", "moment"])
def test_a_column_may_be_called_anything_where_features_hold_since_some_time(tmp_path: Path, name: str) -> None:
    keys = 'file = "items.csv", file_time = "ts", categorical = ["item", "price"]'
    toml = write(tmp_path, keys, SINCE)
    plain = pl.read_parquet(own(toml).folder / "vocabulary" / "item.parquet")
    for path in (tmp_path / "log.csv", toml):
        path.write_text(path.read_text().replace("event", name))
    assert pl.read_parquet(own(toml).folder / "vocabulary" / "item.parquet").equals(plain)


def test_features_that_hold_since_some_time_may_be_settled_from_train_rows(tmp_path: Path) -> None:
    keys = 'file = "items.csv", file_time = "ts", categorical = ["item", "price"], changing = '
    last = raw_values(own(write(tmp_path, keys + '"last"', SINCE)), "price")
    assert (last[3], last[0]) == (12, 5)  # train ends at 1024, so that 11 of 1025 is not known
    first = raw_values(own(write(tmp_path, keys + '"first"', SINCE)), "price")
    assert (first[3], first[0], first[6]) == (10, 5, None)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),  # item
            st.integers(0, 3),  # time
            st.sampled_from(["A", "B", None]),  # brand
            st.sampled_from([1.0, 2.0, float("nan"), None]),  # price
            st.integers(0, 2),  # part
        ),
        min_size=1,
        max_size=24,
    ),
    st.sampled_from(["first", "last"]),
    st.booleans(),
)
def test_settled_features_are_those_of_a_plain_loop(rows: list[tuple[Any, ...]], which: Any, timed: bool) -> None:
    columns = [*zip(*rows, strict=True)]
    frame = pl.DataFrame(
        {"u": [1] * len(rows), "i": columns[0], "t": columns[1], "brand": columns[2], "price": columns[3]},
        schema_overrides={"brand": pl.String, "price": pl.Float64},
    )
    side = Side("i", ("i", "brand"), ("price",), changing=which)
    spec = DatasetSpec("x", "X", "table", {"x": "i >= 0"}, Side("u", ("u",)), side, folder=Path())
    spec = replace(spec, time="t" if timed else None)
    with TemporaryDirectory() as name:
        folder = Path(name)
        log = read_log(spec, RawTables(list(frame.iter_slices(5))), Memory.parse("1GB"), folder)
        part = np.array(columns[4], np.uint8)
        log = log.mapped(lambda f: f.with_columns(part=pl.Series(part[f["row"].to_numpy()])), False, folder / "parts")
        found = pl.concat(list(settled_features(log, "item", side, folder / "items.parquet").rows.frames()))
    assert found[CODE].is_unique().all()

    expected = {}
    order = sorted(range(len(rows)), key=lambda n: (rows[n][0], rows[n][1] if timed else 0, n))
    for item, group in groupby(order, key=lambda n: rows[n][0]):
        of_item = list(group)
        of_item = [n for n in of_item if rows[n][4] == 0] or of_item
        ordered = of_item if which == "first" else of_item[::-1]
        brand = next((rows[n][2] for n in ordered if rows[n][2] is not None), None)
        price = next((rows[n][3] for n in ordered if rows[n][3] is not None and rows[n][3] == rows[n][3]), None)
        expected[item] = brand, price
    assert {row[0]: row[1:] for row in found.select("i", "brand", "price").rows()} == expected


def test_an_empty_price_makes_no_other_item_where_that_is_asked_for(tmp_path: Path) -> None:
    toml = write(tmp_path, 'categorical = ["item"], numeric = ["price"]', "")
    log = pl.read_csv(tmp_path / "log.csv").with_row_index()
    priced = pl.when(pl.col("index") // 8 % 2 == 0).then(pl.col("item") * 1.5)
    log.with_columns(price=priced).drop("index").write_csv(tmp_path / "log.csv")
    several = own(toml)
    assert several.manifest.items.keys == 8 < several.manifest.items.count
    assert any('changing = "last"' in line for line in warnings(several.manifest))
    toml.write_text(toml.read_text().replace('["price"]', '["price"], changing = "first"'))
    one = own(toml)
    assert one.fresh and one.manifest.items.keys == 8 == one.manifest.items.count
    assert warnings(one.manifest) == []
    assert any("features of items are the first value" in rule for rule in one.manifest.rules)
    manifest = json.loads((one.folder / "manifest.json").read_text())
    assert manifest["options"]["item"]["changing"] == "first"
