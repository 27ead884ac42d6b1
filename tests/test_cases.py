"""Files and commands of users that once went wrong without a word, or were refused for no reason."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recbench.home import prepared_home, results_home
from tests.conftest import Result, type_command

NAMES = ("user_id", "item_id", "event", "price", "ts")
TOML = """[shop]
title = "Tiny shop"
reader = "table"
files = ["events"]
time = "ts"
feedback = { click = "event = 'click'" }
user = { key = "user_id", categorical = ["user_id"] }
item = { key = "item_id", categorical = ["item_id"] }
"""
CLICKS = 14  # of the 24 rows

Row = dict[str, Any]


def shop_rows(count: int = 24) -> list[Row]:
    """Rows of 4 users and 7 items, a minute apart; 14 of 24 are clicks."""
    return [
        {
            "user_id": f"u{n % 4}",
            "item_id": f"i{5 * n % 7}",
            "event": "click" if n % 2 == 0 or n % 10 == 5 else "view",
            "price": 5 * n % 7 + 1.5,
            "ts": 1_700_000_000 + 60 * n,
        }
        for n in range(count)
    ]


def csv_text(rows: Sequence[Row], header: bool = True) -> str:
    lines = [",".join(rows[0])] if header else []
    return "\n".join([*lines, *(",".join(str(value) for value in row.values()) for row in rows)]) + "\n"


class Shop:
    """A folder with a catalogue and files, and the commands that are typed there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self, events: str | bytes | pl.DataFrame, more: str = "", *words: str, toml: str = TOML) -> Result:
        """Write the file of events and the catalogue, and prepare the dataset."""
        path = self.folder / "events"
        if isinstance(events, pl.DataFrame):
            events.write_parquet(path)
        else:
            path.write_bytes(events if isinstance(events, bytes) else events.encode())
        (self.folder / "my.toml").write_text(toml + more)
        return type_command("prepare", "shop", "--catalog", str(self.folder / "my.toml"), "--force", *words)

    def train(self, loss: str = "bce", epochs: int = 1) -> Result:
        return type_command("train", "--loss", loss, "--epochs", str(epochs), "--set", "train.batch_size=8")

    @property
    def manifest(self) -> dict[str, Any]:
        (path,) = prepared_home().glob("shop/*/manifest.json")
        return dict(json.loads(path.read_text()))

    def found(self, name: str) -> int:
        return int(self.manifest["counts"]["found"][name])

    def column(self, side: str, name: str) -> Mapping[str, Any]:
        return next(column for column in self.manifest[side]["columns"] if column["name"] == name)


def one_line(result: Result, code: int, *parts: str) -> None:
    """The command failed with one line that holds these parts."""
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert result.code == code and len(errors) == 1 and "Traceback" not in result.err, result.err
    message = " ".join(result.err.split())
    assert all(part in message for part in parts), message


def cli_feedback_with_comma(shop: Shop) -> None:
    assert shop.prepare(csv_text(shop_rows()), "", "--feedback", "click=event IN ('click','buy')").code == 0
    assert shop.manifest["feedback"] == ["click"] and shop.found("click") == CLICKS


def column_called_split(shop: Shop) -> None:
    rows = [row | {"split": ("train", "val", "holdout")[n % 3]} for n, row in enumerate(shop_rows())]
    assert shop.prepare(csv_text(rows), "filter = \"split <> 'holdout'\"\n").code == 0
    assert shop.manifest["rows"] == {"train": 9, "valid": 2, "test": 5}  # floor(.7 * 16) = 11, floor(.9 * 11) = 9


def column_called_truth(shop: Shop) -> None:
    rows = [row | {"truth_click": n % 2} for n, row in enumerate(shop_rows())]
    assert shop.prepare(csv_text(rows), 'filter = "truth_click >= 0"\n').code == 0
    assert shop.manifest["truth"] is False


def column_called_vector(shop: Shop) -> None:
    rows = [{"vector" if name == "price" else name: value for name, value in row.items()} for row in shop_rows()]
    toml = TOML.replace('["item_id"] }', '["item_id"], numeric = ["vector"] }')
    assert shop.prepare(csv_text(rows), toml=toml).code == 0
    assert shop.train().code == 0
    (record,) = results_home().rglob("record.json")
    out = shop.folder / "out"
    exported = type_command("export", record.parent.name.removeprefix("s0-"), "-o", str(out))
    assert exported.code == 0, exported.err
    items = pl.read_parquet(out / "items.parquet")
    assert isinstance(items.schema["vector"], pl.List | pl.Array) and items["raw_vector"].max() == 7.5


def column_called_code(shop: Shop) -> None:
    rows = [{"code" if name == "price" else name: value for name, value in row.items()} for row in shop_rows()]
    for more in ('["item_id", "code"] }', '["item_id"], numeric = ["code"] }'):
        assert shop.prepare(csv_text(rows), toml=TOML.replace('["item_id"] }', more)).code == 0
        (vocabulary,) = prepared_home().glob("shop/*/vocabulary/item.parquet")
        values = {float(value) for value in pl.read_parquet(vocabulary)["code"]}
        assert values == {1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5}


def duplicate_header(shop: Shop) -> None:
    text = csv_text([row | {"other": f"x{n}"} for n, row in enumerate(shop_rows())]).replace("other", "user_id")
    one_line(shop.prepare(text), 1, "line 1: `user_id` stands twice")


def filter_cannot_drop_empty_keys(shop: Shop) -> None:
    rows = [row | ({"user_id": ""} if n % 6 == 5 else {}) for n, row in enumerate(shop_rows())]
    one_line(shop.prepare(csv_text(rows)), 1, "line 7, column `user_id`: empty; every row needs a value here")
    assert shop.prepare(csv_text(rows), 'filter = "user_id IS NOT NULL"\n').code == 0
    assert shop.found("rows") == 20


def headless_quotes_kept(shop: Shop) -> None:
    rows = [row | {name: f'"{row[name]}"' for name in ("user_id", "item_id")} for row in shop_rows()]
    assert shop.prepare(csv_text(rows, header=False), f"columns = {list(NAMES)}\n").code == 0
    (vocabulary,) = prepared_home().glob("shop/*/vocabulary/user.parquet")
    assert sorted(pl.read_parquet(vocabulary)["user_id"].unique()) == ["u0", "u1", "u2", "u3"]


def line_break_in_quotes(shop: Shop) -> None:
    rows = [row | {"note": '"two\nlines, ""really"""' if n % 5 == 3 else "one"} for n, row in enumerate(shop_rows())]
    assert shop.prepare(csv_text(rows)).code == 0
    assert (shop.found("rows"), shop.found("click")) == (24, CLICKS)


def list_element_with_separator(shop: Shop) -> None:
    frame = pl.DataFrame(
        [row | {"tags": ["Sci-Fi|Fantasy", "Drama"] if n % 2 else ["Drama"]} for n, row in enumerate(shop_rows())]
    )
    toml = TOML.replace('["item_id"] }', '["item_id"], bag = ["tags"] }')
    one_line(shop.prepare(frame, toml=toml), 1, "row 2, column `tags`", "`Sci-Fi|Fantasy`", "set bag_separator")
    assert shop.prepare(frame, 'bag_separator = ";"\n', toml=toml).code == 0
    tags = shop.column("items", "tags")
    assert (tags["size"] - 1, tags["width"]) == (2, 2)


def microseconds(shop: Shop) -> None:
    text = csv_text([row | {"ts": row["ts"] * 1_000_000} for row in shop_rows()])
    for unit in ("s", "ms", "ns"):
        advice = 'lie inside as microseconds: say time_unit = "us"'
        one_line(shop.prepare(text, f'time_unit = "{unit}"\n'), 1, "24 of 24 times `ts`", advice)
    prepared = shop.prepare(text, 'time_unit = "us"\n')
    assert prepared.code == 0 and "2023-11-14 22:13" in prepared.out
    assert shop.found("click") == CLICKS


def mixed_time_units(shop: Shop) -> None:
    rows = [row | ({"ts": row["ts"] * 1000} if n % 3 == 0 else {}) for n, row in enumerate(shop_rows())]
    one_line(shop.prepare(csv_text(rows)), 1, "8 of 24 times `ts`", "inside as milliseconds", "in one unit")


def one_instant(shop: Shop) -> None:
    text = csv_text([row | {"ts": 1_700_000_000} for row in shop_rows()])
    one_line(shop.prepare(text), 1, "split `global` leaves no train rows (24 rows in all)", "all times are equal")


def parquet_fixed_size_list_vector(shop: Shop) -> None:
    rows = [row | {"emb": [row["price"] - 1.5, 1.0, 0.5]} for row in shop_rows()]
    frame = pl.DataFrame(rows, schema_overrides={"emb": pl.Array(pl.Float32, 3)})
    assert shop.prepare(frame, toml=TOML.replace('["item_id"] }', '["item_id"], vector = ["emb"] }')).code == 0
    assert (shop.column("items", "emb")["kind"], shop.column("items", "emb")["width"]) == ("vector", 3)


def parquet_nan_user_key(shop: Shop) -> None:
    rows = [row | {"user_id": math.nan if n % 6 == 5 else n % 4} for n, row in enumerate(shop_rows())]
    frame = pl.DataFrame(rows, schema_overrides={"user_id": pl.Float64}, strict=False)
    one_line(shop.prepare(frame), 1, "row 6, column `user_id`: empty; every row needs a value here")


def parquet_text_epoch(shop: Shop) -> None:
    frame = pl.DataFrame(shop_rows())
    assert shop.prepare(csv_text(shop_rows())).code == 0
    expected = shop.manifest["fingerprint"]
    for more in ("", 'types = { ts = "int" }\n'):
        assert shop.prepare(frame.with_columns(pl.col("ts").cast(pl.String)), more).code == 0
        assert shop.manifest["fingerprint"] == expected


def quoted_empty_feedback(shop: Shop) -> None:
    toml = TOML.replace("click = \"event = 'click'\"", 'buy = "order_id IS NOT NULL"')
    rows = [row | {"order_id": f"o{n}" if n % 4 == 0 else ""} for n, row in enumerate(shop_rows())]
    quoted = [{name: f'"{value}"' for name, value in row.items()} for row in rows]
    fingerprints = set()
    for written in (rows, quoted):
        assert shop.prepare(csv_text(written), toml=toml).code == 0
        assert shop.found("buy") == 6
        fingerprints.add(shop.manifest["fingerprint"])
    assert len(fingerprints) == 1


def ratio_without_valid(shop: Shop) -> None:
    one_line(shop.prepare(csv_text(shop_rows()), "ratio = [7, 0, 3]\n"), 2, "`ratio`", "at least 1")
    one_line(shop.prepare(csv_text(shop_rows()), "", "--ratio", "7:0:3"), 2, "--ratio 7:0:3", "above 0")


def utf_16_encoding(shop: Shop) -> None:
    for more in ('encoding = "utf-16"\n', ""):
        assert shop.prepare(csv_text(shop_rows()).encode("utf-16"), more).code == 0
        assert (shop.found("rows"), shop.found("click")) == (24, CLICKS)


def vector_with_nan(shop: Shop) -> None:
    toml = TOML.replace('["item_id"] }', '["item_id"], vector = ["emb"] }')
    for value in (math.nan, math.inf, -math.inf):
        rows = [row | {"emb": [value if row["item_id"] == "i3" else 2.0, 1.0]} for row in shop_rows()]
        message = "row 3, column `emb`: expected finite numbers"
        one_line(shop.prepare(pl.DataFrame(rows), toml=toml), 1, message)
        text = csv_text([row | {"emb": "|".join(map(str, row["emb"]))} for row in rows])
        one_line(shop.prepare(text, toml=toml), 1, "line 4, column `emb`: expected finite numbers")


def distinct_by_file_order(shop: Shop) -> None:
    # Each pair occurs twice, 20 minutes apart: a click, then a view.
    pairs = [(user, item) for item in range(5) for user in range(4)]
    rows = [
        {"user_id": f"u{user}", "item_id": f"i{item}", "event": event, "ts": 1_700_000_000 + 60 * (n + 20 * again)}
        for again, event in enumerate(("click", "view"))
        for n, (user, item) in enumerate(pairs)
    ]
    for written in (rows, rows[::-1]):
        assert shop.prepare(csv_text(written), "distinct = true\n").code == 0
        assert (shop.found("rows"), shop.found("click")) == (20, 20)


def inf_feature_false_leak(shop: Shop) -> None:
    rows = [row | ({"price": math.inf} if row["item_id"] == "i3" else {}) for row in shop_rows(100)]
    toml = TOML.replace('["item_id"] }', '["item_id"], numeric = ["price"] }')
    assert shop.prepare(csv_text(rows), toml=toml).code == 0
    checked = type_command("check", "shop")
    assert checked.code == 0 and "broken" not in checked.out


def damaged_record_blocks_train(shop: Shop) -> None:
    assert shop.prepare(csv_text(shop_rows())).code == 0 and shop.train().code == 0
    (record,) = results_home().rglob("record.json")
    whole = record.read_bytes()
    record.write_bytes(whole[:100])
    again = shop.train()
    assert again.code == 0 or "train again" in again.err, again.err
    (record,) = results_home().rglob("record.json")
    if again.code == 0:
        assert json.loads(record.read_bytes())["key"] == json.loads(whole)["key"]


def nothing_to_contrast(shop: Shop) -> None:
    # In train both users have clicked all five items, so that there is not one negative.
    rows = [
        {"user_id": f"u{n % 2}", "item_id": f"i{n // 2 % 5}", "event": "click" if n < 42 or n % 3 else "view", "ts": n}
        for n in range(60)
    ]
    assert shop.prepare(csv_text(rows)).code == 0
    one_line(shop.train("bpr", 3), 1, "no slate has both a positive and a negative")
    assert not list(results_home().rglob("record.json"))


CASES: dict[str, Callable[[Shop], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        cli_feedback_with_comma,
        column_called_code,
        column_called_split,
        column_called_truth,
        column_called_vector,
        damaged_record_blocks_train,
        distinct_by_file_order,
        duplicate_header,
        filter_cannot_drop_empty_keys,
        headless_quotes_kept,
        inf_feature_false_leak,
        line_break_in_quotes,
        list_element_with_separator,
        microseconds,
        mixed_time_units,
        nothing_to_contrast,
        one_instant,
        parquet_fixed_size_list_vector,
        parquet_nan_user_key,
        parquet_text_epoch,
        quoted_empty_feedback,
        ratio_without_valid,
        utf_16_encoding,
        vector_with_nan,
    )
}


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_read_right_or_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    CASES[name](Shop(tmp_path))
