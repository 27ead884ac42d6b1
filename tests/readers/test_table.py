from __future__ import annotations

import gzip
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbench.errors import DataError
from recbench.readers.base import Source, load_reader
from recbench.sources.catalog import find
from tests.preparation.shop import write
from tests.readers.read_files import read_file

MAPS = pa.array([[("k", 1)]] * 2, pa.map_(pa.string(), pa.int32()))
SINCE_2_1 = pytest.mark.skipif(
    tuple(map(int, pl.__version__.split(".")[:2])) < (2, 1),
    reason="polars before 2.1 ends the process at JSON so deep, and reads a map as a list",
)


def test_table_reads_csv_and_parquet_alike(tmp_path: Path) -> None:
    spec = find("shop", write(tmp_path))
    path = tmp_path / "log.csv"
    text = read_file(spec, path)
    assert len(text) == 40
    assert text.row(1, named=True) == {
        "user": "u1",
        "city": "B",
        "item": 3,
        "tags": "a|b|c",
        "price": 4.5,
        "ts": 1001,
        "event": "seen",
    }
    bags = text.with_columns(pl.col("tags").str.split("|"))
    bags.write_parquet(tmp_path / "log.parquet")
    parquet = read_file(spec, tmp_path / "log.parquet")
    assert parquet.select(text.columns).equals(text)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"user": ["a"]}), "no column `city`"),
        (
            pl.DataFrame(
                {"user": ["a", None]} | {name: ["1", "2"] for name in ("city", "item", "tags", "ts", "event")}
            ).with_columns(price=pl.lit(1.0)),
            "row 2, column `user`: empty",
        ),
    ],
)
def test_bad_parquet(tmp_path: Path, frame: pl.DataFrame, message: str) -> None:
    spec = find("shop", write(tmp_path))
    frame.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match=message):
        read_file(spec, tmp_path / "log.parquet")


def test_table_times_may_be_dates(tmp_path: Path) -> None:
    lines = [["u1", "A", "1", "1", "a", f"2024-05-0{day} 10:00:00", "buy"] for day in (1, 2)]
    spec = find("shop", write(tmp_path, lines))
    path = tmp_path / "log.csv"
    assert read_file(spec, path)["ts"].to_list() == [1714557600, 1714644000]
    lines[1][5] = "yesterday"
    write(tmp_path, lines)
    with pytest.raises(
        DataError, match="line 3, column `ts`: expected a number of seconds or an ISO date .*`yesterday`"
    ):
        read_file(spec, path)


def test_files_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "UserBehavior.csv"
    path.write_text("1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n")
    assert read_file(find("taobao"), path).select("user_id", "item_id", "behavior", "timestamp").rows() == [
        (1, 2268318, "pv", 1511544070),
        (1, 2333346, "buy", 1511561733),
    ]
    path = tmp_path / "loc-gowalla_totalCheckins.txt.gz"
    path.write_bytes(gzip.compress(b"0\t2010-10-19T23:55:27Z\t30.2\t-97.7\t22847\n"))
    assert read_file(find("gowalla-checkins"), path).select("user", "time", "place").rows() == [(0, 1287532527, 22847)]


def own(folder: Path, more: str = "", **files: str | bytes | pl.DataFrame) -> Path:
    """Write files (suffix of Parquet or text by their kind) and a catalogue that reads them in this order."""
    names = []
    for name, content in files.items():
        path = folder / name
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        names.append(name)
    toml = f"""
[own]
title = "Own"
reader = "table"
files = {names}
time = "t"
feedback = {{ like = "x > 0" }}
user = {{ key = "u", categorical = ["u"] }}
item = {{ key = "i", categorical = ["i"], numeric = ["p"], bag = ["b"], vector = ["v"] }}
{more}
"""
    (folder / "own.toml").write_text(toml)
    return folder / "own.toml"


def log_of(folder: Path, more: str = "", block: int = 64, **files: str | bytes | pl.DataFrame) -> pl.DataFrame:
    spec = find("own", own(folder, more, **files))
    source = Source({name: folder / name for name in spec.files}, block=block)
    return pl.concat(list(load_reader("table")(spec, source).log)).select("u", "i", "p", "b", "v", "t", "x")


CSV = "u,i,p,b,v,t,x\na,1,0.5,k|l,1|2,1700000000,1\nb,2,,,,1700000001,0\n"
ROWS = [("a", 1, 0.5, "k|l", "1|2", 1_700_000_000, 1), ("b", 2, None, None, None, 1_700_000_001, 0)]
FRAME = pl.DataFrame(
    {
        "u": ["a", "b"],
        "i": [1, 2],
        "p": [0.5, None],
        "b": [["k", "l"], None],
        "v": [[1, 2], None],
        "t": [1_700_000_000, 1_700_000_001],
        "x": [1, 0],
    }
)


def test_text_parquet_and_json_are_read_alike(tmp_path: Path) -> None:
    lines = FRAME.write_ndjson().encode()
    for content in (CSV, gzip.compress(CSV.encode()), FRAME, lines, gzip.compress(lines), lines + b"\n\n"):
        assert log_of(tmp_path, events=content).rows() == ROWS
    short = '{"u": "a", "i": 1, "p": 0.5, "b": ["k", "l"], "v": [1, 2], "t": 1700000000, "x": 1}\n'
    short += '{"x": 0, "t": 1700000001, "u": "b", "i": 2, "more": {"deep": [1]}}\n'
    assert log_of(tmp_path, events=short).rows() == ROWS  # a key that a line lacks is empty there


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 3: not a JSON object"),
        ("[1]", "line 3: not a JSON object"),
        ('{"u": NaN}', "line 3: not a JSON object"),
        pytest.param('{"u": ' + "[" * 20_000 + "]" * 20_000 + "}", "line 3: nested too deeply", marks=SINCE_2_1),
        ('{"u": "c", "i": 3, "t": 5}', None),
        ('{"i": 3, "t": 5, "x": 1}', "line 3, column `u`: empty"),
        ('{"u": "c", "i": [3], "t": 5}', "column `i`: a list, where other lines have one value"),
        ('{"u": "c", "i": 3, "t": 5, "v": [1, null]}', "line 3, column `v`: expected finite numbers"),
        ('{"u": "c", "i": 3, "t": 5, "b": ["m|n"]}', "line 3, column `b`: `m|n` holds the separator"),
    ],
)
def test_bad_json_lines(tmp_path: Path, line: str, message: str | None) -> None:
    content = FRAME.write_ndjson() + line + "\n"
    if message is None:
        assert len(log_of(tmp_path, block=1 << 20, events=content)) == 3
        return
    with pytest.raises(DataError) as caught:
        log_of(tmp_path, block=1 << 20, events=content)
    assert message in str(caught.value) and len(str(caught.value)) < 500


def test_other_json_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a JSON array, where one object a line is expected"):
        log_of(tmp_path, events=FRAME.write_json())
    with pytest.raises(DataError, match="no column `x`; did you mean"):
        log_of(tmp_path, events=FRAME.rename({"x": "xx"}).write_ndjson())


def test_files_of_one_log_may_differ_in_width_and_lack_values(tmp_path: Path) -> None:
    narrow = FRAME.cast({"i": pl.Int32, "t": pl.Int32, "p": pl.Float32, "x": pl.UInt8})
    empty = FRAME.with_columns(p=pl.lit(None), b=pl.lit(None), v=pl.lit(None))
    for second in (narrow, empty, CSV, FRAME.write_ndjson(), empty.write_ndjson()):
        for files in ({"one": FRAME, "two": second}, {"one": second, "two": FRAME}):
            log = log_of(tmp_path, **files)
            assert log.schema == log_of(tmp_path, one=FRAME).schema and len(log) == 4
            assert log["i"].to_list() == [1, 2, 1, 2]
    with pytest.raises(DataError, match="two, column `u`: Int64, but String in"):
        log_of(tmp_path, one=FRAME, two=FRAME.with_columns(u=pl.col("i")))


@pytest.mark.parametrize(
    "change",
    [
        {"v": pl.Array(pl.Float32, 2)},
        {"b": pl.List(pl.Categorical)},
        {"u": pl.Categorical},
        {"u": pl.Enum(["a", "b"])},
        {"u": pl.Binary},
        {"p": pl.Decimal(10, 3)},
        {"t": pl.UInt64},
        {"i": pl.UInt16},
    ],
    ids=str,
)
def test_types_of_parquet_that_say_the_same(tmp_path: Path, change: dict[str, Any]) -> None:
    for name, kind in change.items():
        frame = FRAME.with_columns(FRAME[name].cast(kind))
        plain = log_of(tmp_path, events=frame)
        assert plain.drop("v").rows() == [row[:4] + row[5:] for row in ROWS]
        assert [text and [float(word) for word in text.split("|")] for text in plain["v"]] == [[1.0, 2.0], None]


def test_parquet_whose_columns_are_all_text(tmp_path: Path) -> None:
    frame = FRAME.with_columns(b=pl.col("b").list.join("|"), v=pl.col("v").cast(pl.List(pl.String)).list.join("|"))
    text = frame.select(pl.all().cast(pl.String))
    log = log_of(tmp_path, 'types = { i = "int", x = "int" }', events=text)
    assert log.rows() == ROWS
    with pytest.raises(DataError, match="row 2, column `p`: expected a number, found `much`"):
        log_of(tmp_path, 'types = { x = "int" }', events=text.with_columns(p=pl.Series(["1", "much"])))


def test_lists_without_values_are_empty(tmp_path: Path) -> None:
    frame = FRAME.with_columns(b=pl.Series([[], ["k"]]), v=pl.Series([[], [1.0]]))
    for events in (frame, frame.write_ndjson()):
        log = log_of(tmp_path, events=events)
        assert (log["b"].to_list(), log["v"].to_list()) == (["", "k"], [None, "1.0"])


def test_ids_beyond_the_signed_numbers(tmp_path: Path) -> None:
    large = FRAME.with_columns(i=pl.Series([2**64 - 1, 2**63], dtype=pl.UInt64))
    assert log_of(tmp_path, events=large)["i"].to_list() == [2**64 - 1, 2**63]
    with pytest.raises(DataError, match="two: .* the files of a log must have columns of one kind") as caught:
        log_of(tmp_path, one=FRAME, two=large)
    assert "\n" not in str(caught.value)
    near = FRAME.with_columns(i=pl.Series([2.0**53, 2.0**53]))  # where 2^53 + 1 is the same float
    with pytest.raises(DataError, match="two, column `i`: Float64, but Int64 in"):
        log_of(tmp_path, one=FRAME, two=near)


def test_words_that_stand_for_nothing(tmp_path: Path) -> None:
    more = r'null_values = ["NA", "-1"]'
    text = "u,i,p,b,v,t,x\na,1,NA,NA,NA,1700000000,-1\nNA,1,1,b,1,1700000000,1\n"
    with pytest.raises(DataError, match="line 3, column `u`: empty"):
        log_of(tmp_path, more, events=text)
    more += '\nfilter = "u IS NOT NULL"'
    assert log_of(tmp_path, more, events=text).rows()[0] == ("a", 1, None, None, None, 1_700_000_000, None)
    frame = FRAME.with_columns(u=pl.Series(["a", "NA"]), x=pl.Series([-1, 1]))
    with pytest.raises(DataError, match="row 2, column `u`: empty"):
        log_of(tmp_path, 'null_values = ["NA", "-1"]', events=frame)
    assert log_of(tmp_path, more, events=frame)["x"].to_list() == [None, 1]
    floats = FRAME.with_columns(p=pl.Series([-1.0, 2.5]), x=pl.Series([-1.0, 1.0]))
    log = log_of(tmp_path, 'null_values = ["NA", "-1"]', events=floats)
    assert (log["p"].to_list(), log["x"].to_list()) == ([None, 2.5], [None, 1.0])


def test_empty_ids_of_parquet(tmp_path: Path) -> None:
    for u in (["a", ""], ["a", None]):
        with pytest.raises(DataError, match="row 2, column `u`: empty"):
            log_of(tmp_path, events=FRAME.with_columns(u=pl.Series(u)))
    with pytest.raises(DataError, match="row 2, column `i`: empty"):
        log_of(tmp_path, events=FRAME.with_columns(i=pl.Series([1.0, float("nan")])))
    with pytest.raises(DataError, match="row 1, column `u`: a text of 10,000,000 bytes"):
        log_of(tmp_path, events=FRAME.with_columns(u=pl.Series(["u" * 10_000_000, "b"])))


BERLIN = 'time_zone = "Europe/Berlin"\n'


@pytest.mark.parametrize(
    ("more", "words", "expected"),
    [
        ("", ["2024-05-01 10:00:00", "2024-05-01T11:00:00"], [1714557600, 1714561200]),
        ("", ["2024-05-01T10:00:00+02:00", "2024-05-01T10:00:00Z"], [1714550400, 1714557600]),
        ("", ["2024-05-01", "2024-05-02"], [1714521600, 1714608000]),
        ("", ["2024-05-01 10:00", "2024-05-01 11:00"], [1714557600, 1714561200]),
        ('time_unit = "ms"\n', ["2024-05-01T10:00:00.5Z", "2024-05-01T10:00:00Z"], [1714557600500, 1714557600000]),
        (BERLIN, ["2024-05-01T10:00:00+02:00", "2024-05-01T10:00:00Z"], [1714550400, 1714557600]),
        (BERLIN, ["2024-05-01 10:00:00", "2024-01-01 10:00:00"], [1714550400, 1704099600]),
        (BERLIN, ["2024-10-27 02:30:00", "2024-10-27 03:30:00"], [1729989000, 1729996200]),  # the first is ambiguous
        ('time_format = "%d.%m.%Y %H:%M"\n', ["01.05.2024 10:00", "02.05.2024 10:00"], [1714557600, 1714644000]),
        (BERLIN + 'time_format = "%d/%m/%Y"\n', ["01/05/2024", "02/05/2024"], [1714514400, 1714600800]),
        ('time_format = "%Y%m%d"\n', ["20240501", "20240502"], [1714521600, 1714608000]),
        ('time_unit = "us"\n', ["2024-05-01 10:00:00", "2024-05-01 10:00:01"], [1714557600000000, 1714557601000000]),
        ("", ["1714557600", "1714557601.0"], [1714557600, 1714557601]),
    ],
)
def test_times(tmp_path: Path, more: str, words: list[str], expected: list[int]) -> None:
    text = CSV.replace("1700000000", words[0]).replace("1700000001", words[1])
    frame = FRAME.with_columns(t=pl.Series(words))
    for events in (text, frame, frame.write_ndjson()):
        assert log_of(tmp_path, more, events=events)["t"].to_list() == expected


def test_dates_of_parquet_are_local_where_a_zone_is_given(tmp_path: Path) -> None:
    moments = pl.Series([datetime(2024, 5, 1, 10), datetime(2024, 5, 1, 11)])
    for unit in ("ms", "us", "ns"):
        naive = FRAME.with_columns(t=moments.cast(pl.Datetime(unit)))
        assert log_of(tmp_path, events=naive)["t"].to_list() == [1714557600, 1714561200]
        assert log_of(tmp_path, BERLIN, events=naive)["t"].to_list() == [1714550400, 1714554000]
        aware = FRAME.with_columns(t=moments.cast(pl.Datetime(unit, "UTC")))
        assert log_of(tmp_path, BERLIN, events=aware)["t"].to_list() == [1714557600, 1714561200]
    days = FRAME.with_columns(t=moments.cast(pl.Date))
    assert log_of(tmp_path, 'time_format = "%d"', events=days)["t"].to_list() == [1714521600] * 2


@pytest.mark.parametrize(
    ("more", "words", "message"),
    [
        (BERLIN, ["2024-03-31 02:30:00"] * 2, "row 1, column `t`: expected a time that exists in Europe/Berlin"),
        (
            'time_format = "%d.%m.%Y"\n',
            ["01.05.2024", "05/01/2024"],
            "row 2, column `t`: expected a time like time_format",
        ),
        ("", ["2024-05-01 10:00:00", "1714557600"], "row 2, column `t`: expected a number of seconds or an ISO date"),
        ("", ["1714557600", "2024-05-01 10:00:00"], "row 2, column `t`: expected a number of seconds, found `2024"),
        ("", ["2024-05-01 10:00:00Z", "2024-05-01 10:00:00"], "row 2, column `t`: expected times that all name a zone"),
        ("", ["2024-05-01 10:00:00", "2024-05-01T10:00:00+02:00"], "column `t`: expected times that all name a zone"),
        (
            'time_unit = "ns"\n',
            ["9999-01-01", "2024-05-01"],
            "row 1, column `t`: expected a time that nanoseconds in 64",
        ),
        ("", ["1714557600", "inf"], "row 2, column `t`: expected a number of seconds, found `inf`"),
    ],
)
def test_bad_times(tmp_path: Path, more: str, words: list[str], message: str) -> None:
    with pytest.raises(DataError) as caught:
        log_of(tmp_path, more, events=FRAME.with_columns(t=pl.Series(words)))
    assert message in str(caught.value)


def test_zones_of_parquet_that_are_offsets(tmp_path: Path) -> None:
    table = FRAME.to_arrow()
    for zone in ("+05:30", "UTC", "Europe/Berlin"):
        times = pa.array([1_700_000_000_000, 1_700_000_001_000], pa.timestamp("ms", zone))
        pq.write_table(table.set_column(table.column_names.index("t"), "t", times), tmp_path / "zoned")
        assert log_of(tmp_path, 'optional_files = ["zoned"]', events=(tmp_path / "zoned").read_bytes()).rows() == ROWS


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.decimal128(38, 0), [2**53, 2**53 + 1], ["9007199254740992", "9007199254740993"]),
        (pa.decimal128(18, 0), [2**53, 2**53 + 1], [2**53, 2**53 + 1]),
        (pa.decimal128(30, 2), [Decimal("100.50"), Decimal("100.00")], ["100.5", "100"]),
    ],
    ids=str,
)
def test_ids_that_are_decimals_stay_apart(tmp_path: Path, kind: Any, values: list[Any], expected: list[Any]) -> None:
    table = FRAME.to_arrow().set_column(1, "i", pa.array([Decimal(value) for value in values], kind))
    pq.write_table(table, tmp_path / "decimals")
    assert log_of(tmp_path, events=(tmp_path / "decimals").read_bytes())["i"].to_list() == expected


def test_ids_of_json_beyond_64_bits_stay_apart(tmp_path: Path) -> None:
    lines = FRAME.write_ndjson().replace('"i":1', f'"i":{2**64}').replace('"i":2', f'"i":{2**64 + 1}')
    assert log_of(tmp_path, events=lines)["i"].to_list() == [str(2**64), str(2**64 + 1)]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("t", pa.array([1, 2], pa.duration("s")), "column `t`: expected numbers or dates as time, found Duration"),
        ("u", pa.array([b"\xff\xfe", b"a"]), "column `u`: expected text, found bytes that are not UTF-8"),
        pytest.param("b", MAPS, "column `b`: Map(String, Int32) cannot be", marks=SINCE_2_1),
    ],
)
def test_types_of_parquet_that_cannot_be_meant(tmp_path: Path, column: str, values: Any, message: str) -> None:
    table = FRAME.to_arrow()
    pq.write_table(table.set_column(table.column_names.index(column), column, values), tmp_path / "odd")
    with pytest.raises(DataError) as caught:
        log_of(tmp_path, events=(tmp_path / "odd").read_bytes())
    assert message in str(caught.value) and str(tmp_path) in str(caught.value)


def test_files_of_other_programs_are_named(tmp_path: Path) -> None:
    parquet, arrow = BytesIO(), BytesIO()
    FRAME.write_parquet(parquet)
    FRAME.write_ipc(arrow)
    with pytest.raises(DataError, match="events: a packed Parquet file; unpack it first"):
        log_of(tmp_path, events=gzip.compress(parquet.getvalue()))
    with pytest.raises(DataError, match="events: an Arrow file, where text is expected"):
        log_of(tmp_path, events=arrow.getvalue())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CSV.replace(",", ";"), 'no column `u`; say separator = ";" in the catalogue'),
        (CSV.replace(",", "\t"), 'no column `u`; say separator = "\\t" in the catalogue'),
        (CSV.replace("u,", "U ,", 1), "no column `u`; did you mean `U `?"),
        (CSV.replace("a,1", '"a"b,1'), "inside quotes a quote is written twice"),
    ],
)
def test_text_that_says_how_it_is_written(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        log_of(tmp_path, block=1 << 20, events=text)
    assert message in str(caught.value)


def test_json_lines_in_utf_16(tmp_path: Path) -> None:
    lines = FRAME.write_ndjson()
    assert log_of(tmp_path, events=lines.encode("utf-16")).rows() == ROWS
    assert log_of(tmp_path, 'encoding = "utf-16-be"', events=lines.encode("utf-16-be")).rows() == ROWS


def test_keys_of_json_that_stand_twice(tmp_path: Path) -> None:
    lines = FRAME.write_ndjson().replace('"t":', '"u":"c","t":')
    with pytest.raises(DataError, match="line 1: `u` stands twice"):
        log_of(tmp_path, events=lines)


def test_half_a_character_of_json(tmp_path: Path) -> None:
    lines = FRAME.write_ndjson()
    with pytest.raises(DataError, match="line 2: half of a character"):
        log_of(tmp_path, events=lines.replace('"u":"b"', '"u":"\\ud800"'))
    assert log_of(tmp_path, events=lines.replace('"u":"b"', '"u":"\\ud83d\\ude00"'))["u"].to_list() == [
        "a",
        "\U0001f600",
    ]


def test_decimal_commas(tmp_path: Path) -> None:
    text = CSV.replace(",", ";").replace("0.5", "0,5").replace("1700000000;1", '1700000000;"1,5"')
    log = log_of(tmp_path, 'separator = ";"\ndecimal = ","', events=text)
    assert (log["p"].to_list(), log["x"].to_list()) == ([0.5, None], [1.5, 0.0])
    log = log_of(tmp_path, 'separator = ";"\ndecimal = ","', events=text.replace("1|2", "1,5|2"))
    assert log["v"].to_list() == ["1.5|2", None]
    frame = FRAME.with_columns(p=pl.Series(["0,5", None]))
    assert log_of(tmp_path, 'separator = ";"\ndecimal = ","', events=frame)["p"].to_list() == [0.5, None]
