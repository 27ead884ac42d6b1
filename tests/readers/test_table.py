from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from recbench.errors import DataError
from recbench.sources.catalog import find
from tests.prepare.shop import write
from tests.readers.read_files import read_file


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
