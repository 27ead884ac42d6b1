"""Datasets prepared by `leave-one-out`, `days`, `sessions` and `date`: where they lie, what their certificate sees."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recbench.data.dataset import Dataset
from recbench.data.manifest import Manifest
from recbench.data.manifest_file import read_manifest
from recbench.errors import UsageError
from recbench.preparation.leak_certificate import certify
from recbench.preparation.prepare import Prepared, Variant, prepare
from tests.preparation.shop import TOML, write

START = 1_709_078_400  # 2024-02-28 00:00 UTC
OWN = TOML.replace('splits = ["global", "user"]\n', "")  # all splits of logs with times
VARIANTS = {
    "leave-one-out": Variant(split="leave-one-out"),
    "days+1-day": Variant(split="days"),
    "days+2-days": Variant(split="days", split_days=2),
    "sessions+1-day": Variant(split="sessions", split_days=1),
    "date+2024-03-04": Variant(split="date", split_date=date(2024, 3, 4)),
}
PARTS = ("train", "valid", "test")
Change = Callable[[pl.DataFrame], pl.DataFrame]


def shop(folder: Path, variant: Variant, toml: str = OWN, **options: Any) -> Prepared:
    """Prepare 300 rows, one each half hour for six days and a quarter, each user having ten in a row."""
    lines = [
        [f"u{n // 10:02}", "A", str(n * 3 % 8), "1.5", "a", str(START + n * 1800), "buy" if n % 4 == 0 else "seen"]
        for n in range(300)
    ]
    return prepare("shop", variant, catalog=write(folder, lines, toml.replace("event IN", "price > 2 OR event IN")))


def statuses(folder: Path, manifest: Manifest) -> dict[str, str]:
    return {finding.rule: finding.status for finding in certify(folder, manifest)}


def change(prepared: Prepared, part: str, by: Change) -> None:
    path = prepared.folder / f"{part}.parquet"
    by(pl.read_parquet(path)).write_parquet(path)


@pytest.mark.parametrize("name", VARIANTS)
def test_folders_say_the_days_and_the_certificate_is_clean(tmp_path: Path, name: str) -> None:
    prepared = shop(tmp_path, VARIANTS[name])
    assert prepared.folder.name == prepared.manifest.split == name
    assert "broken" not in statuses(prepared.folder, read_manifest(prepared.folder)).values()
    assert not shop(tmp_path, VARIANTS[name]).fresh
    data = Dataset.load(prepared.folder)
    assert data.new_test_users == name.startswith("sessions")
    assert len(data.read("test")) == prepared.manifest.rows["test"]


def test_rows_of_each_part(tmp_path: Path) -> None:
    rows = {name: tuple(shop(tmp_path, variant).manifest.rows.values()) for name, variant in VARIANTS.items()}
    assert rows == {
        "leave-one-out": (240, 30, 30),
        "days+1-day": (240, 48, 12),  # the log ends at 06:00 of its seventh day
        "days+2-days": (144, 96, 60),
        "sessions+1-day": (240, 40, 20),  # the one that is open at the last midnight is test
        "date+2024-03-04": (216, 24, 60),
    }


def test_days_and_dates_lie_side_by_side(tmp_path: Path) -> None:
    folders = {shop(tmp_path, Variant(split="days", split_days=days)).folder for days in (1, 2, 3)}
    toml = OWN.replace("[shop]\n", "[shop]\nsplit_date = 2024-03-03\nsplit_days = 3\n")
    assert shop(tmp_path, Variant(split="days"), toml).folder.name == "days+3-days"
    assert shop(tmp_path, Variant(split="date"), toml).folder.name == "date+2024-03-03"
    later = shop(tmp_path, Variant(split="date", split_date=date(2024, 3, 4), feedback="buy"), toml)
    assert later.folder.name == "date+buy+2024-03-04" and len(folders) == 3
    assert shop(tmp_path, Variant(split="date"), toml.replace("= 2024-03-03", '= "2024-03-03"')).fresh is False


def test_a_date_means_the_split_of_dates(tmp_path: Path) -> None:
    typed = shop(tmp_path, Variant(split_date=date(2024, 3, 4)))
    assert typed.folder.name == "date+2024-03-04"
    toml = OWN.replace("[shop]\n", '[shop]\nsplit_date = "2024-03-04"\n')
    assert not shop(tmp_path, Variant(), toml).fresh  # the same folder
    assert shop(tmp_path, Variant(split="global"), toml).folder.name == "global"
    with pytest.raises(UsageError, match="`split_date` has no effect, as `splits` lacks `date`; put it first there"):
        shop(tmp_path, Variant(), toml.replace("[shop]\n", '[shop]\nsplits = ["global"]\n'))


def test_another_day_in_the_catalogue_changes_nothing_of_other_splits(tmp_path: Path) -> None:
    assert shop(tmp_path, Variant(split="user")).fresh
    toml = OWN.replace("[shop]\n", "[shop]\nsplit_date = 2024-03-03\nsplit_days = 3\n")
    assert not shop(tmp_path, Variant(split="user"), toml).fresh


@pytest.mark.parametrize("name", ["days+1-day", "date+2024-03-04", "sessions+1-day"])
@pytest.mark.parametrize(
    ("part", "moment", "by"), [("train", "max", 86_400), ("valid", "max", 86_400), ("test", "all", -2 * 86_400)]
)
def test_rows_beyond_their_days_break_the_certificate(
    tmp_path: Path, name: str, part: str, moment: str, by: int
) -> None:
    prepared = shop(tmp_path, VARIANTS[name])
    at = pl.col("timestamp")
    moved = pl.when(at == at.max() if moment == "max" else pl.lit(True)).then(at + by).otherwise(at)
    change(prepared, part, lambda frame: frame.with_columns(moved))
    assert statuses(prepared.folder, prepared.manifest)["days"] == "broken"


def test_a_row_one_second_before_midnight_is_not_of_that_day(tmp_path: Path) -> None:
    prepared = shop(tmp_path, VARIANTS["days+1-day"])
    at = pl.col("timestamp")
    change(prepared, "test", lambda frame: frame.with_columns(pl.when(at == at.min()).then(at - 1).otherwise(at)))
    findings = {finding.rule: finding for finding in certify(prepared.folder, prepared.manifest)}
    assert findings["time order"].status == "ok" and findings["days"].status == "broken"
    assert findings["days"].message == (
        "valid begins at 2024-03-04 00:00 and test at 2024-03-05 00:00 (UTC), which not every row keeps: "
        "train 2024-02-28 00:00 to 2024-03-03 23:30, valid 2024-03-04 00:00 to 2024-03-04 23:30, "
        "test 2024-03-04 23:59 to 2024-03-05 05:30"
    )


def test_a_session_in_two_parts_breaks_the_certificate(tmp_path: Path) -> None:
    prepared = shop(tmp_path, VARIANTS["sessions+1-day"])
    first = pl.read_parquet(prepared.folder / "train.parquet").head(1)
    change(prepared, "test", lambda frame: pl.concat([first, frame]))
    assert statuses(prepared.folder, prepared.manifest)["users apart"] == "broken"


@pytest.mark.parametrize(
    "by",
    [
        pytest.param(lambda frame: frame.tail(-1), id="none"),
        pytest.param(lambda frame: pl.concat([frame, frame.tail(1)]), id="two"),
    ],
)
@pytest.mark.parametrize("part", ["valid", "test"])
def test_more_or_fewer_rows_held_out_than_one_break_the_certificate(tmp_path: Path, part: str, by: Change) -> None:
    prepared = shop(tmp_path, VARIANTS["leave-one-out"])
    change(prepared, part, by)
    findings = {finding.rule: finding for finding in certify(prepared.folder, prepared.manifest)}
    assert findings["rows held out"].status == "broken"
    assert findings["rows held out"].numbers == {"users": 30, "held_out": 30, "wrong": 1}


def test_a_later_train_row_breaks_the_certificate_of_leave_one_out(tmp_path: Path) -> None:
    prepared = shop(tmp_path, VARIANTS["leave-one-out"])
    change(prepared, "train", lambda frame: frame.with_columns(pl.col("timestamp") + 8 * 1800))
    assert statuses(prepared.folder, prepared.manifest)["time order"] == "broken"


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (Variant(split="date"), "split `date` needs the first day of test: add --split-date YYYY-MM-DD"),
        (Variant(split="date", split_date=date(2024, 2, 28)), "the log is of 2024-02-28 to 2024-03-05"),
        (
            Variant(split="date", split_date=date(2024, 3, 6)),
            "--split-date 2024-03-06: test or train would have no row",
        ),
        (Variant(split="days", split_days=4), "--split-days 4: the days of the log, .* choose 1 to 3, or another"),
        (Variant(split="sessions", split_days=0), "--split-days 0: expected a whole number from 1 to 1,000,000"),
        (Variant(split="user", split_days=4), "--split-days has no effect on split `user`; leave it out"),
        (
            Variant(split="user", split_date=date(2024, 3, 1)),
            "--split-date has no effect on split `user`; leave it out",
        ),
        (Variant(split_days=2), "--split-days has no effect on split `global`; add --split days, or leave it out"),
        (Variant(split="days", ratio=(8, 1, 1)), "--ratio has no effect on split `days`; leave it out"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, variant: Variant, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shop(tmp_path, variant)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_log_without_time_cannot_be_split_in_time(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        UsageError, match="shop has no time column, which split `.*` needs; .* or use --split given, ra"
    ):
        shop(tmp_path, VARIANTS[name], OWN.replace('time = "ts"\n', ""))
