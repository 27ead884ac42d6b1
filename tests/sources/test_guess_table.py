"""What the columns of an unknown log are taken for, and that what is written prepares."""

from __future__ import annotations

import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recbench.data.manifest_file import read_manifest
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import DataError, UsageError
from recbench.preparation.prepare import prepare
from recbench.sources.guess_table import Given, catalogue_text, dataset_name, guess_table

ROWS = 60
TIMES = [1_700_000_000 + 1000 * row for row in range(ROWS)]


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def log(folder: Path, separator: str = ",", **columns: list[Any]) -> Path:
    """A log of 60 rows in time order, with 10 users, 6 items and these columns besides."""
    frame = pl.DataFrame(
        {
            "customer": [f"ö{row % 10}" for row in range(ROWS)],
            "sku": [f"商{row % 6}" for row in range(ROWS)],
            "ts": TIMES,
            **columns,
        }
    )
    path = folder / "log.csv"
    frame.write_csv(path, separator=separator)
    return path


def table(path: Path, given: Given = Given()) -> dict[str, Any]:  # noqa: B008
    """The table as a catalogue has it: written, and read again."""
    parsed: dict[str, Any] = tomllib.loads(catalogue_text("x", guess_table(path, given).table))["x"]
    return parsed


def prepared_positives(path: Path, given: Given = Given()) -> dict[str, float]:  # noqa: B008
    """Prepare the guess and return the share of train rows of each feedback."""
    catalog = path.with_name("my.toml")
    catalog.write_text(catalogue_text("mine", guess_table(path, given).table), encoding="utf-8")
    prepared = prepare("mine", catalog=catalog)
    train = pl.read_parquet(prepared.folder / "train.parquet")
    return {name: float(train[name].mean()) for name in read_manifest(prepared.folder).feedback}  # type: ignore[arg-type]


def test_roles_times_and_features(tmp_path: Path) -> None:
    path = log(
        tmp_path,
        buy=[int(row % 5 == 0) for row in range(ROWS)],
        is_click=[int(row % 2 == 0) for row in range(ROWS)],
        city=[f"Łódź {row % 10 % 3}" for row in range(ROWS)],
        price=[float(row % 6) + 0.5 for row in range(ROWS)],
        note=[str(row) for row in range(ROWS)],
    )
    found = table(path)
    assert (found["user"]["key"], found["item"]["key"], found["time"]) == ("customer", "sku", "ts")
    assert found["user"]["categorical"] == ["customer", "city"]
    assert [*found["item"]["categorical"], *found["item"].get("numeric", [])] == ["sku", "price"]
    assert found["feedback"] == {"buy": "buy = 1", "click": "is_click = 1"}
    assert "not used: note" in "\n".join(guess_table(path).lines)


def test_events_nest_from_frequent_to_rare(tmp_path: Path) -> None:
    kinds = ("view", "cart", "impression", "view", "buy", "view", "cart")
    events = [kinds[row % 7] for row in range(ROWS)]
    path = log(tmp_path, event_type=events)
    assert table(path)["feedback"] == {
        "view": "event_type IN ('view', 'cart', 'buy')",
        "cart": "event_type IN ('cart', 'buy')",
        "buy": "event_type IN ('buy')",
    }
    shares = prepared_positives(path)
    assert list(shares) == ["view", "cart", "buy"]
    assert shares["view"] > shares["cart"] >= shares["buy"]


def test_events_are_known_by_their_words_whatever_the_column_is_called(tmp_path: Path) -> None:
    kinds = ("view", "Add to cart", "view", "skip", "view", "BUY", "Add to cart")
    what = [kinds[row % 7] for row in range(ROWS)]
    path = log(tmp_path, city=["view", "Oslo"] * (ROWS // 2), shown=["skip", "view"] * (ROWS // 2), what=what)
    assert list(table(path)["feedback"]) == ["view", "add_to_cart", "buy"]
    others = log(tmp_path, city=["view", "Oslo"] * (ROWS // 2), shown=["skip", "view"] * (ROWS // 2))
    assert list(table(others)["feedback"]) == ["interaction"]


def test_ratings_are_halved(tmp_path: Path) -> None:
    path = log(tmp_path, rating=[1 + row % 5 for row in range(ROWS)])
    assert table(path)["feedback"] == {"like": "rating >= 4", "love": "rating >= 5"}


def test_a_file_without_a_header(tmp_path: Path) -> None:
    lines = [f"{row % 23}\t{100 + row % 29}\t{1 + row % 5}\t{TIMES[row]}" for row in range(ROWS)]
    path = written(tmp_path, "\n".join(lines) + "\n", "u.data")
    found = table(path)
    assert found["columns"] == ["user", "item", "rating", "time"]
    assert found["separator"] == "\t"
    assert set(prepared_positives(path)) == {"like", "love"}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(tmp_path: Path, separator: str) -> None:
    assert table(log(tmp_path, separator)).get("separator", ",") == separator


def test_missing_values(tmp_path: Path) -> None:
    path = log(tmp_path, click=[row % 2 for row in range(ROWS)], buy=[int(row % 7 == 0) for row in range(ROWS)])
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace("ö0", "NA")
    lines[2] = lines[2].rpartition(",")[0] + ",NA"
    path.write_text("\n".join(lines) + "\n")
    found = table(path)
    assert found["null_values"] == ["NA"]
    assert found["filter"] == "customer IS NOT NULL AND sku IS NOT NULL AND ts IS NOT NULL"
    assert found["feedback"]["buy"] == "COALESCE(buy = 1, FALSE)"
    assert "1 of 60 rows lack customer or sku or ts" in "\n".join(guess_table(path).lines)
    assert list(prepared_positives(path)) == ["click", "buy"]


@pytest.mark.parametrize(
    ("values", "unit"),
    [(TIMES, None), ([1000 * time for time in TIMES], "ms"), ([10**9 * time for time in TIMES], "ns")],
)
def test_units_of_time(tmp_path: Path, values: list[int], unit: str | None) -> None:
    assert table(log(tmp_path, ts=values)).get("time_unit") == unit


def test_iso_times_and_none(tmp_path: Path) -> None:
    days = [f"2024-01-{1 + row % 28:02}T10:00:00Z" for row in range(ROWS)]
    assert table(log(tmp_path, ts=days))["time"] == "ts"
    no_time = table(log(tmp_path, ts=["yesterday"] * ROWS))
    assert "time" not in no_time
    assert "ts is no time" in "\n".join(guess_table(log(tmp_path, ts=["yesterday"] * ROWS)).lines)
    assert no_time["splits"] == ["random"]


@pytest.mark.parametrize(
    ("written", "format"),
    [
        ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S"),
        ("%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M"),
        ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M"),
        ("%d.%m.%y %H:%M", None),  # a year of two digits is no year 24
        ("01/%m/%Y %H:%M", None),  # a day or a month
    ],
)
def test_dates_as_in_some_countries(tmp_path: Path, written: str, format: str | None) -> None:  # noqa: A002
    start = datetime(2023, 11, 20)  # noqa: DTZ001
    values = [(start + timedelta(days=row)).strftime(written) for row in range(ROWS)]
    path = log(tmp_path, wann=values)
    path.write_text(path.read_text(encoding="utf-8").replace("sku,ts,", "sku,count,"), encoding="utf-8")
    found = table(path)
    assert (found.get("time"), found.get("time_format")) == ("wann" if format else None, format)
    if format:
        assert found["splits"] == ["global", "user"]  # in order of time, not of text
        assert prepared_positives(path) == {"interaction": 1.0}


def test_the_only_moments_of_a_log_are_its_times_whatever_they_are_called(tmp_path: Path) -> None:
    moments = [f"2024-01-{1 + row % 28:02}T10:00:00Z" for row in range(ROWS)]
    days = [moment[:10] for moment in moments]
    assert table(log(tmp_path, ts=days, when=moments))["time"] == "ts"
    assert table(log(tmp_path, ts=["soon"] * ROWS, when=moments))["time"] == "when"
    path = log(tmp_path, when=moments, released=days, always=[1] * ROWS)
    path.write_text(path.read_text(encoding="utf-8").replace("sku,ts,", "sku,count,"), encoding="utf-8")
    assert table(path)["time"] == "when"
    assert "not used: always, the same on every row" in guess_table(path).lines
    path.write_text(path.read_text(encoding="utf-8").replace("T10:00:00Z", ""), encoding="utf-8")
    assert "time" not in table(path)


def test_every_row_is_an_interaction_if_nothing_tells_them_apart(tmp_path: Path) -> None:
    assert prepared_positives(log(tmp_path)) == {"interaction": 1.0}


def test_columns_that_are_called_as_words_of_sql(tmp_path: Path) -> None:
    frame = pl.read_csv(log(tmp_path)).rename({"customer": "user"})
    frame.write_csv(tmp_path / "log.csv")
    assert prepared_positives(tmp_path / "log.csv") == {"interaction": 1.0}
    frame.with_columns(order=pl.int_range(ROWS) % 2).write_csv(tmp_path / "log.csv")
    assert prepared_positives(tmp_path / "log.csv").keys() == {"order"}


def test_events_in_other_letters_and_events_that_differ_in_case(tmp_path: Path) -> None:
    events = ["показ"] * 36 + ["Buy"] * 12 + ["buy"] * 12
    path = log(tmp_path, event=[events[7 * row % ROWS] for row in range(ROWS)])
    assert list(table(path)["feedback"]) == ["f_показ", "buy", "buy_3"]
    assert list(prepared_positives(path)) == ["f_показ", "buy", "buy_3"]


def products(folder: Path, name: str = "products.csv", separator: str = ",", **columns: list[Any]) -> Path:
    """A table of the six items of the log, and one more."""
    frame = pl.DataFrame(
        {
            "title": [f"Title {n}" for n in range(7)],
            "id": [f"商{n}" for n in range(7)],
            "brand": ["A", "B", "A", "B", "A", "-", "C"],
            "tags": ["x|y", "y", "x", "x|z", "z|y", "x", "y|z"],
            "price": [n + 0.5 for n in range(7)],
            **columns,
        }
    )
    path = folder / name
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path, separator=separator)
    return path


@pytest.mark.parametrize(("name", "separator"), [("p.csv", ","), ("p.csv", ";"), ("p.parquet", ",")])
def test_a_table_of_items_beside_the_log(tmp_path: Path, name: str, separator: str) -> None:
    path = log(tmp_path, city=[f"Łódź {row % 10 % 3}" for row in range(ROWS)], price=[row % 6 for row in range(ROWS)])
    given = Given(items=products(tmp_path, name, separator))
    found = table(path, given)
    assert (found["item"]["key"], found["item"]["file_key"]) == ("sku", "id")
    assert found["item"].get("file_separator", ",") == separator
    kinds = {kind: found["item"][kind] for kind in ("categorical", "bag", "numeric")}
    assert kinds == {"categorical": ["sku", "brand"], "bag": ["tags"], "numeric": ["price"]}
    assert found["user"] == {"key": "customer", "categorical": ["customer", "city"]}
    assert found.get("null_values", ["-"]) == ["-"]
    lines = "\n".join(guess_table(path, given).lines)
    assert "features of the item, from p." in lines and "not used of p." in lines and "title" in lines
    assert prepared_positives(path, given) == {"interaction": 1.0}


def test_lists_of_a_table_of_users(tmp_path: Path) -> None:
    frame = pl.DataFrame({"customer": [f"ö{n}" for n in range(10)], "v": [[0.5, n] for n in range(10)]})
    frame.with_columns(likes=pl.Series([["a", "b"][: n % 3] for n in range(10)])).write_parquet(tmp_path / "u.parquet")
    found = table(log(tmp_path), Given(users=tmp_path / "u.parquet"))["user"]
    assert (found["vector"], found["bag"], "file_key" in found) == (["v"], ["likes"], False)
    assert prepared_positives(log(tmp_path), Given(users=tmp_path / "u.parquet")) == {"interaction": 1.0}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["商0"] * 7}, "some values of id stand on several rows; keep one row of each, or say `file_time`"),
        ({"id": list("abcdefg")}, "no column has values of sku of the log, such as 商"),
    ],
)
def test_tables_that_cannot_be_joined(tmp_path: Path, columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        guess_table(log(tmp_path), Given(items=products(tmp_path, **columns)))


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.csv: cannot be read \(No such file"):
        guess_table(log(tmp_path), Given(items=tmp_path / "none.csv"))
    headless = written(tmp_path, "1,2,3\n4,5,6\n", "headless.csv")
    with pytest.raises(UsageError, match=r"headless.csv: no header; write the names"):
        guess_table(log(tmp_path), Given(items=headless))


def test_a_price_that_few_rows_lack_makes_no_other_item(tmp_path: Path) -> None:
    price = [None if row % 10 == 3 else float(row % 6) + 0.5 for row in range(ROWS)]
    coupon = [f"c{row % 10}" if row < 10 else None for row in range(ROWS)]  # one a customer, on few rows
    path = log(tmp_path, price=price, coupon=coupon)
    found = table(path)
    assert found["item"]["changing"] == "last" and "changing" not in found["user"]
    assert "features of the item: price, of which some rows lack a value" in guess_table(path).lines
    assert "not used: coupon" in "\n".join(guess_table(path).lines)
    prepared_positives(path)
    manifest = read_manifest(find_prepared("mine"))
    assert manifest.items.count == manifest.items.keys == 6


def test_equal_times_cannot_be_cut(tmp_path: Path) -> None:
    path = log(tmp_path, ts=[TIMES[0]] * ROWS)
    assert table(path)["splits"] == ["random"]
    assert "for all times are equal" in "\n".join(guess_table(path).lines)
    assert prepared_positives(path) == {"interaction": 1.0}


def test_new_users_in_the_end_are_split_by_user(tmp_path: Path) -> None:
    assert table(log(tmp_path))["splits"][0] == "global"
    assert table(log(tmp_path, customer=[f"u{row // 6}" for row in range(ROWS)]))["splits"][0] == "user"


def test_what_is_given_wins(tmp_path: Path) -> None:
    kunde = [f"k{row % 4}" for row in range(ROWS)]
    path = log(tmp_path, kunde=kunde, buy=[row % 2 for row in range(ROWS)], price=[row % 5 for row in range(ROWS)])
    found = table(path, Given(user="kunde", feedback="buy,even=price>=3", item="sku"))
    assert found["user"]["key"] == "kunde"
    assert found["feedback"] == {"buy": "buy = 1", "even": "price>=3"}
    spaced = path.rename(tmp_path / "my log.csv")
    guess = guess_table(spaced, Given(user="kunde", feedback="dear=price IN (3, 4)"))
    assert guess.table["feedback"] == {"dear": "price IN (3, 4)"}
    assert "price" not in " ".join(line for line in guess.lines if line.startswith("not used"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Given(user="kund"), "unknown column `kund` of --user"),
        (Given(time="sku"), "--time sku: the column of users or items already"),
        (Given(user="sku", item="sku"), "--item sku: the column of users or items already"),
        (Given(time="buy"), "--time buy: neither a number of seconds"),
        (Given(feedback="bay"), "unknown feedback `bay`"),
        (Given(feedback="buy,often=buys>=3"), "unknown column `buys` of --feedback; did you mean `buy`"),
        (Given(feedback="buy>"), 'log: feedback `buy_gt` = "buy>" is not an SQL expression'),
        (
            Given(feedback="gift"),
            "unknown feedback `gift` of log; name one, or an expression of columns, as in 'top=",
        ),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, given: Given, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        guess_table(log(tmp_path, buy=[row % 2 for row in range(ROWS)]), given)


@pytest.mark.parametrize(
    ("feedback", "told"),
    [
        (
            "view=act='view',buy=act IN ('purchas','')",
            """`buy` = "act IN ('purchas','')" is true in no row; did you mean `purchase`? act is purchase, view""",
        ),
        ("top=stars>=9", '`top` = "stars>=9" is true in no row; stars lies between 1 and 5'),
        (
            "t=stars=5 AND act='x'",
            "`t` = \"stars=5 AND act='x'\" is true in no row; stars lies between 1 and 5; act is ",
        ),
        ("odd=stars>1 AND stars<2", '`odd` = "stars>1 AND stars<2" is true in no row; stars lies between 1 and 5'),
        ("ok=empty='x'", "`ok` = \"empty='x'\" is true in no row; empty is empty"),
        ("none=act IS NULL", '`none` = "act IS NULL" is true in no row; act is purchase, view'),
        ("late=ts>1900000000", '`late` = "ts>1900000000" is true in no row; ts lies between 17'),
        ("odd=1=2", '`odd` = "1=2" names no column; as in `odd=empty=1`'),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_feedback_that_no_row_has_is_refused_with_the_values_that_there_are(
    tmp_path: Path, form: str, feedback: str, told: str
) -> None:
    path, empty = log(tmp_path, act=["view", "purchase", "purchase"] * 20, stars=[1, 2, 3, 4, 5] * 12), pl.lit(None)
    frame = pl.read_csv(path).with_columns(empty.cast(pl.String).alias("empty"))
    path = path.with_suffix(f".{form}")
    (frame.write_csv if form == "csv" else frame.write_ndjson)(path)
    with pytest.raises(UsageError) as error:
        guess_table(path, Given(feedback=feedback))
    assert str(error.value).startswith(f"--feedback: {told}")
    taken = ("rated=stars>4.5", "text=stars='5'", "later=ts>1700000000", "all=sku IS NOT NULL", "sum=stars+1")
    for possible in (*taken, "some=stars>=2 AND stars<=4"):
        guess_table(path, Given(feedback=possible))


def test_feedback_that_a_later_row_may_have_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = log(tmp_path, act=["view", "cart"] * 30)
    for module in ("guess_table", "unknown_table"):
        monkeypatch.setattr(f"recbench.sources.{module}.LOOK", ROWS)
    assert guess_table(path, Given(feedback="buy=act='buy'")).table["feedback"] == {"buy": "act='buy'"}


def test_a_column_that_nobody_knows_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "wer,item,wann\na,b,1700000000\nc,d,1700000001\n")
    with pytest.raises(UsageError, match="which column names the user. Add --user COLUMN, one of wer, wann"):
        guess_table(path)
    path = written(tmp_path, "wer,was,wann\na,b,1700000000\nc,d,1700000001\n")
    both = "which columns name the user and the item. Add --user COLUMN and --item COLUMN, one of wer, was, wann"
    with pytest.raises(UsageError, match=both):
        guess_table(path)


def test_json_lines_and_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": [1, 2], "item_id": [3, 4], "timestamp": TIMES[:2], "buy": [0, 1]})
    frame.write_ndjson(tmp_path / "log.jsonl")
    frame.write_parquet(tmp_path / "log.parquet")
    for name in ("log.jsonl", "log.parquet"):
        found = table(tmp_path / name)
        assert (found["user"]["key"], found["time"], found["feedback"]) == ("user_id", "timestamp", {"buy": "buy = 1"})


@pytest.mark.parametrize(("text", "message"), [("", "cannot be read as a table"), ("user,item\n", "no rows")])
def test_nothing_to_look_at(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        guess_table(written(tmp_path, text))


def test_names_of_datasets() -> None:
    assert dataset_name(Path("/a/my shop.csv.gz")) == "my-shop"
    assert dataset_name(Path("/a/ml/u.data")) == "ml-u"
    assert dataset_name(Path("/a/日本.csv")) == "a"
    assert dataset_name(Path("/a/synthetic.csv"), {"synthetic"}) == "synthetic-log"
