from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.data.manifest import SIDES, Unseen
from recbench.data.manifest_file import read_manifest
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import DataError, UsageError
from recbench.preparation.frame_file import FrameFile
from recbench.preparation.prepare import Prepared, Variant, prepare
from recbench.preparation.report import report, warnings
from recbench.preparation.time_units import date_and_minute

from .shop import TOML, rows, write


def shop(folder: Path, **options: Any) -> Prepared:
    return prepare("shop", catalog=folder / "own.toml", **options)


def files(folder: Path) -> dict[str, bytes]:
    """Bytes of every file below a folder but the manifest, by relative path."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def assert_nothing_is_left(home: Path) -> None:
    """Check that nothing but locks is left of what was being written."""
    assert {path.name for path in home.iterdir()} == {"shop", ".work"}
    assert {path.name for path in (home / ".work").rglob("*") if path.is_file()} == {"lock"}


def test_own_csv_end_to_end(tmp_path: Path) -> None:
    write(tmp_path)
    prepared = shop(tmp_path)
    data = Dataset.load(prepared.folder)
    manifest = prepared.manifest
    assert prepared.fresh and data.fingerprint == manifest.fingerprint
    assert data.feedback == ("seen", "buy")  # the catalogue has them the other way round
    assert manifest.rows == {"train": 25, "valid": 3, "test": 12}
    assert (len(data.users), data.users.seen, len(data.items), data.items.seen) == (6, 5, 9, 8)
    assert manifest.new["test"] == {"users": Unseen(1, 1), "items": Unseen(1, 1)}
    assert manifest.time == {"train": (1000, 1024), "valid": (1025, 1027), "test": (1028, 1039)}
    for log, (first, last) in ((data.train, (1000, 1024)), (data.read("test"), (1028, 1039))):
        assert log.time is not None and log.time.tolist() == list(range(first, last + 1))
    assert manifest.unnested == 0
    assert data.rates == pytest.approx(manifest.level_rates)
    assert [(c.name, c.kind, c.size, c.width) for c in data.items.columns] == [
        ("item", "categorical", 9, 1),
        ("tags", "bag", 4, 3),
        ("price", "numeric", 2 + len(manifest.edges["item"]["price"]) + 1, 1),
    ]
    test = data.read("test")
    assert data.users.value[test.user[-1]].tolist() == [0, 0]  # user u9, city X: unknown
    new_item = data.items.value[test.item[-1]].tolist()
    assert new_item[:4] == [0, 1, 2, 3]  # item 99 unknown; a|z|b|c|b without z, cut to three
    assert new_item[4] == data.items.columns[2].size - 1  # price 1000: the last bucket
    keys = pl.read_parquet(prepared.folder / "vocabulary" / "user.parquet")
    assert keys.rows()[0] == (0, "u0", "A") and keys["user"].to_list()[-1] == "u9"
    stored = pl.read_parquet(prepared.folder / "train.parquet")
    assert stored.columns == ["user", "item", "seen", "buy", "level", "timestamp"]
    assert stored["timestamp"].to_list() == list(range(1000, 1025))
    for number, row in enumerate(stored.iter_rows(named=True)):
        raw = rows()[number]
        assert keys["user"][row["user"]] == raw[0]
        assert (row["seen"], row["buy"]) == (int(raw[6] != "none"), int(raw[6] == "buy"))
        assert row["level"] == row["seen"] + row["buy"]


def test_weights_are_one_more_column_and_change_nothing_else(tmp_path: Path) -> None:
    write(tmp_path)
    before = shop(tmp_path)
    parts = ("train", "valid", "test")
    stored = {part: pl.read_parquet(before.folder / f"{part}.parquet") for part in parts}
    write(tmp_path, toml=TOML.replace('time = "ts"', 'time = "ts"\nweight = "(ts - 1000) / 2.0"'))
    after = shop(tmp_path)
    for part in parts:
        weighted = pl.read_parquet(after.folder / f"{part}.parquet")
        assert weighted.drop("weight").equals(stored[part])
        assert weighted["weight"].to_list() == [(time - 1000) / 2 for time in weighted["timestamp"]]
    train = Dataset.load(after.folder).train
    assert train.weight is not None and train.weight.tolist() == [number / 2 for number in range(25)]
    assert Dataset.load(before.folder).fingerprint == after.manifest.fingerprint != before.manifest.fingerprint
    assert "each row weighs (ts - 1000) / 2.0, where training is asked to use that" in after.manifest.rules
    write(tmp_path, toml=TOML.replace('time = "ts"', 'time = "ts"\nweight = "ts"').replace("seen =", "weight ="))
    with pytest.raises(UsageError, match="`weight` cannot name a feedback beside the weights of rows"):
        shop(tmp_path)


def test_test_rows_change_nothing_of_train(tmp_path: Path) -> None:
    write(tmp_path)
    before = shop(tmp_path)
    train = files(before.folder)
    entities = {side: pl.read_parquet(before.folder / f"{side}.parquet") for side in ("users", "items")}
    lines = rows()
    for number in range(28, 40):
        lines[number] = [f"new{number}", "Q", str(500 + number), "-7", "k|l|m|n|o|p", lines[number][5], "buy"]
    write(tmp_path, lines)
    after = shop(tmp_path)
    assert after.fresh and after.manifest.fingerprint != before.manifest.fingerprint
    for key in ("feedback", "level_rates", "thresholds", "edges"):
        assert getattr(after.manifest, key) == getattr(before.manifest, key)
    for side in SIDES:
        was, now = before.manifest.entities(side), after.manifest.entities(side)
        seen = was.seen
        assert (now.seen, now.columns) == (was.seen, was.columns)
        assert pl.read_parquet(after.folder / f"{side}.parquet").head(seen).equals(entities[side].head(seen))
    content = files(after.folder)
    same = [name for name in train if name not in ("test.parquet", "users.parquet", "items.parquet")]
    same = [name for name in same if name not in ("vocabulary/user.parquet", "vocabulary/item.parquet")]
    assert "train.parquet" in same and all(content[name] == train[name] for name in same)


def test_same_input_same_bytes(tmp_path: Path) -> None:
    write(tmp_path)
    first = files(shop(tmp_path).folder)
    assert files(shop(tmp_path, force=True).folder) == first


def test_nothing_to_do_marks_the_most_recent(tmp_path: Path) -> None:
    write(tmp_path)
    first = shop(tmp_path)
    os.utime(first.folder / "manifest.json", (1, 1))
    shop(tmp_path, variant=Variant(split="user"))
    assert find_prepared(None).name == "user"
    again = shop(tmp_path)
    assert not again.fresh and again.manifest == first.manifest
    assert find_prepared(None) == first.folder
    os.utime(tmp_path / "log.csv", (5, 5))  # another time, the same bytes
    assert not shop(tmp_path).fresh
    assert shop(tmp_path, force=True).fresh
    assert shop(tmp_path, seed=1).fresh
    write(tmp_path, rows()[:-1])
    assert shop(tmp_path).fresh
    write(tmp_path, rows()[:-1], TOML.replace("[shop.feedback]", "filter = \"city <> 'B'\"\n[shop.feedback]"))
    filtered = shop(tmp_path)
    assert filtered.fresh and filtered.manifest.counts.found["rows"] < 39
    assert filtered.manifest.rules[0] == "rows are those of the log where city <> 'B'"
    (filtered.folder / "test.parquet").unlink()
    assert shop(tmp_path).fresh


@pytest.mark.parametrize("interrupt", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupt: BaseException
) -> None:
    write(tmp_path)
    folder = shop(tmp_path).folder
    before = files(folder) | {"manifest": (folder / "manifest.json").read_bytes()}
    real = FrameFile.append

    def fail_at_valid(self: FrameFile, frame: pl.DataFrame) -> None:
        if self.path.name == "valid.parquet":
            raise interrupt
        real(self, frame)

    monkeypatch.setattr(FrameFile, "append", fail_at_valid)
    expected = DataError if isinstance(interrupt, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        shop(tmp_path, force=True)
    if expected is DataError:
        assert "cannot be written (No space left on device); free some space" in str(caught.value)
    assert files(folder) | {"manifest": (folder / "manifest.json").read_bytes()} == before
    assert_nothing_is_left(folder.parent.parent)


def test_kill_leaves_the_old_version_and_the_next_prepare_cleans_up(tmp_path: Path) -> None:
    write(tmp_path)
    folder = shop(tmp_path).folder
    before = files(folder)
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom recbench.data import prepared_folder as store\n"
        "from recbench.preparation.prepare import prepare\n"
        "store._publish = lambda work, folder: os.kill(os.getpid(), 9)\n"
        "prepare('shop', catalog=Path(sys.argv[1]), force=True)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "own.toml")])
    assert killed.returncode == -9
    left = folder.parent.parent / ".work" / "shop" / "global" / "new"
    assert (left / "manifest.json").exists()
    assert find_prepared(None) == folder and files(folder) == before
    assert not shop(tmp_path).fresh
    shop(tmp_path, force=True)
    assert_nothing_is_left(folder.parent.parent)


def test_two_processes_at_once(tmp_path: Path) -> None:
    write(tmp_path)
    script = (
        "import sys\nfrom pathlib import Path\nfrom recbench.preparation.prepare import prepare\n"
        "for _ in range(8):\n    prepare('shop', catalog=Path(sys.argv[1]), force=True)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "own.toml")]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    data = Dataset.load(find_prepared("shop"))
    assert len(data.train) == 25
    assert_nothing_is_left(data.folder.parent.parent)


def test_a_home_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RECBENCH_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\)"):
        shop(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("event = 'buy'", "event = 'gift'", "feedback `buy` has no positive train row"),
        ("event = 'buy'", "evnt = 'buy'", "no column `evnt`; did you mean `event`?"),
        ('time = "ts"', 'time = "event"', "column `event`: expected a number of seconds"),
        ("[shop.feedback]", "filter = \"city = 'none'\"\n[shop.feedback]", "no log rows; check the files"),
        ('numeric = ["price"]', 'numeric = ["city"]', "column `city`: expected a number, found `A`"),
    ],
)
def test_bad_data(tmp_path: Path, old: str, new: str, message: str) -> None:
    write(tmp_path, toml=TOML.replace(old, new))
    with pytest.raises(DataError) as caught:
        shop(tmp_path)
    assert message in str(caught.value)


def test_usage_errors(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(UsageError, match="shop has no split `given`; choose --split global or user"):
        shop(tmp_path, variant=Variant(split="given"))
    with pytest.raises(UsageError, match="--rows sizes generated data, but shop is read from files"):
        shop(tmp_path, rows=1000)
    write(tmp_path, toml=TOML.replace('time = "ts"\n', ""))
    with pytest.raises(UsageError, match="shop has no time column"):
        shop(tmp_path)


def test_given_split_without_time(tmp_path: Path) -> None:
    toml = TOML.replace('time = "ts"\n', "").replace('["global", "user"]', '["given"]')
    write(tmp_path, toml=toml)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    parts = ["split"] + ["train"] * 30 + ["test"] * 10
    text = "".join(f"{line},{part}\n" for line, part in zip(lines, parts, strict=True))
    (tmp_path / "log.csv").write_text(text)
    prepared = shop(tmp_path)
    assert prepared.manifest.rows == {"train": 26, "valid": 4, "test": 10}  # drawn row by row
    assert prepared.manifest.time is None
    assert "timestamp" not in pl.read_parquet_schema(prepared.folder / "train.parquet")
    assert len(Dataset.load(prepared.folder).read("test")) == 10


def test_report(tmp_path: Path) -> None:
    write(tmp_path, toml=TOML + "[shop.expect]\nrows = 41\nusers = 6\npositives = { buy = 10 }\n")
    prepared = shop(tmp_path)
    assert prepared.manifest.counts.matches is False
    console = Console(record=True, width=200, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(report(prepared))
    text = console.export_text()
    console.file.close()
    text = re.sub("  +", "  ", text)
    for expected in (
        "Own shop, split global",
        "first row (UTC)  1970-01-01 00:16  1970-01-01 00:17  1970-01-01 00:17",
        "6 users, 5 of them in train; features: user (5 values), city (3 values)",
        "item (8 values), tags (3 values, up to 3 a row)",
        f"written to {prepared.folder}",
    ):
        assert expected in text
    expected_warnings = ["not the complete dataset: rows 40 instead of 41; published numbers do not apply"]
    assert warnings(prepared.manifest) == expected_warnings
    assert date_and_minute(1651763352355, "ms") == "2022-05-05 15:09" and date_and_minute(10**15, "s") == str(10**15)


def test_manifest_is_strict_json(tmp_path: Path) -> None:
    write(tmp_path)
    prepared = shop(tmp_path)
    text = (prepared.folder / "manifest.json").read_text()
    json.loads(text, parse_constant=pytest.fail)
    assert read_manifest(prepared.folder) == prepared.manifest
    source = prepared.manifest.sources[0]
    assert source.file == "log.csv" and source.bytes == (tmp_path / "log.csv").stat().st_size
    assert len(source.sha256) == 64


def test_preparing_does_not_need_torch() -> None:
    code = "import sys, recbench.preparation.prepare, recbench.preparation.report; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_synthetic_is_the_same_for_the_same_seed() -> None:
    first = prepare("synthetic", rows=5000, seed=3)
    content = files(first.folder)
    assert prepare("synthetic", rows=5000, seed=3, force=True).manifest.fingerprint == first.manifest.fingerprint
    assert files(first.folder) == content
    other = prepare("synthetic", rows=5000, seed=4)
    assert other.fresh and other.manifest.fingerprint != first.manifest.fingerprint
    with pytest.raises(UsageError, match="--rows 10: synthetic needs at least 1000 rows"):
        prepare("synthetic", rows=10)


def test_synthetic_truth_is_the_probability() -> None:
    prepared = prepare("synthetic", rows=60_000)
    manifest = prepared.manifest
    assert manifest.feedback == ("view", "cart", "buy")
    assert 0 < manifest.unnested < 0.02
    data = Dataset.load(prepared.folder)
    assert data.train.truth is not None
    for task, rate in enumerate((0.25, 0.03, 0.006)):
        truth, label = data.train.truth[:, task].double(), data.train.label[:, task].double()
        assert abs(truth.mean() - rate) < 0.2 * rate
        deviation = ((truth * (1 - truth)).sum().sqrt() / len(truth)).item()
        assert abs(label.mean() - truth.mean()) < 4 * deviation
        low, high = truth < truth.median(), truth >= truth.median()
        for half in (low, high):
            spread = ((truth * (1 - truth))[half].sum().sqrt() / half.sum()).item()
            assert abs(label[half].mean() - truth[half].mean()) < 4 * spread
    assert torch.isfinite(data.train.truth).all()


def write_log(folder: Path, header: str, lines: list[str], toml: str) -> None:
    (folder / "log.csv").write_text("\n".join([header, *lines]) + "\n")
    (folder / "own.toml").write_text(toml)


RATED = """
[shop]
title = "Ratings"
reader = "table"
files = ["log.csv"]
time = "ts"
feedback = { like = "rating > 4" }
user = { key = "user", categorical = ["user"] }
item = { key = "item", categorical = ["item"], numeric = ["price"] }
"""


def test_long_and_decimal_keys_stay_apart(tmp_path: Path) -> None:
    lines = [f"{10**19 + n % 20},1.{n % 7}0,1.5,{n},{n % 6}" for n in range(200)]
    write_log(tmp_path, "user,item,price,ts,rating", lines, RATED)
    prepared = shop(tmp_path)
    assert (prepared.manifest.users.keys, prepared.manifest.items.keys) == (20, 7)


def test_an_undefined_rating_is_not_a_high_one(tmp_path: Path) -> None:
    lines = [f"{n % 9},{n % 7},1.5,{n},{'nan' if n % 3 == 0 else 4.5}" for n in range(90)]
    write_log(tmp_path, "user,item,price,ts,rating", lines, RATED)
    with pytest.raises(DataError, match="`like` = .* is undefined in 30 rows"):
        shop(tmp_path)
    write_log(tmp_path, "user,item,price,ts,rating", lines, RATED.replace("time =", 'filter = "rating > 0"\ntime ='))
    assert shop(tmp_path).manifest.counts.found["like"] == 60


def test_items_that_vary_are_told(tmp_path: Path) -> None:
    lines = [f"{n % 9},{n % 7},{n % 2},{n},{n % 6}" for n in range(200)]
    write_log(tmp_path, "user,item,price,ts,rating", lines, RATED)
    assert "14 items for 7 keys" in warnings(shop(tmp_path).manifest)[0]


def test_a_corrected_expectation_is_checked_without_preparing_again(tmp_path: Path) -> None:
    write(tmp_path)
    assert shop(tmp_path).manifest.counts.matches is None
    write(tmp_path, toml=TOML + "[shop.expect]\nrows = 41\n")
    again = shop(tmp_path)
    assert not again.fresh
    assert again.manifest.counts.matches is False


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('time = "ts"', 'time = "ts"\nfilter = "price"', "is not true or false"),
        ('time = "ts"', 'time = "ts"\nbag_separator = ""', "cannot be empty"),
        ('files = ["log.csv"]', "files = []", "no `files`; name those to read"),
        ('reader = "table"', 'reader = "movielens"', "this reader needs a file called u.item; name it in `files`"),
    ],
)
def test_tables_that_cannot_be_served(tmp_path: Path, old: str, new: str, message: str) -> None:
    write(tmp_path, toml=TOML.replace(old, new))
    with pytest.raises((DataError, UsageError), match=message):
        shop(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "--seed -1: expected a whole number from 0 to"),
        ({"seed": 2**64}, "--seed 18446744073709551616: expected a whole number"),
        ({"variant": Variant(ratio=(8, 0, 2))}, "--ratio 8:0:2: expected three whole numbers from 1 to"),
        ({"variant": Variant(ratio=(10**30, 1, 1))}, "expected three whole numbers from 1 to 1,000,000"),
        ({"variant": Variant(ratio=(-8, 1, 1))}, "--ratio -8:1:1: expected"),
        ({"variant": Variant(split="glbal")}, "shop has no split `glbal`; choose --split global or user"),
        ({"rows": -5}, "--rows sizes generated data"),
        (
            {"variant": Variant(feedback=",".join(f"{'x' * 40}{n}=price>{n}" for n in range(6)))},
            "too long for the name",
        ),
    ],
)
def test_numbers_out_of_range(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write(tmp_path)
    with pytest.raises(UsageError, match=message):
        shop(tmp_path, **options)


@pytest.mark.parametrize("infinite", ["inf", "-inf", "1e999"])
def test_an_infinite_number_is_no_leak(tmp_path: Path, infinite: str) -> None:
    lines = rows()
    for line in lines:
        line[3] = infinite if line[2] == "3" else line[3]
    write(tmp_path, lines)
    manifest = shop(tmp_path).manifest
    assert [finding.status for finding in manifest.certificate if finding.rule == "bucket edges"] == ["ok"]
    assert all(math.isfinite(edge) for edge in manifest.edges["item"]["price"])


def test_all_times_are_equal(tmp_path: Path) -> None:
    write(tmp_path, [[*line[:5], "1000", line[6]] for line in rows()])
    with pytest.raises(DataError, match=r"leaves no train rows \(40 rows in all\), since all times are equal"):
        shop(tmp_path)


def test_the_report_cuts_nothing_on_a_narrow_terminal(tmp_path: Path) -> None:
    names = [f"complete_view_{number}" for number in range(7)]
    feedback = "".join(f"{name} = \"event = 'buy'\"\n" for name in names)
    write(tmp_path, toml=TOML.replace("[shop.feedback]\n", f"[shop.feedback]\n{feedback}"))
    prepared = shop(tmp_path)
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(report(prepared))
    table = captured.get().partition("users, ")[0]
    assert "…" not in table
    for word in (*names, "1970-01-01 00:16"):
        assert word in table


def test_ambiguous_dates_are_refused(tmp_path: Path) -> None:
    lines = [f"{n % 9},{n % 7},1.5,0{1 + n % 9}/0{1 + n % 5}/2024,{n % 6}" for n in range(90)]
    write_log(tmp_path, "user,item,price,ts,rating", lines, RATED)
    with pytest.raises(DataError, match="an ISO date like"):
        shop(tmp_path)


def test_data_prepared_again_or_cut_short_is_not_read(tmp_path: Path) -> None:
    write(tmp_path)
    folder = shop(tmp_path).folder
    data = Dataset.load(folder)
    write(tmp_path, rows()[:-1])
    shop(tmp_path)
    with pytest.raises(DataError, match="prepared again meanwhile"):
        data.read("test")
    rest = pl.read_parquet(folder / "test.parquet").head(3)
    rest.write_parquet(folder / "test.parquet")
    with pytest.raises(
        DataError,
        match=r"test.parquet: damaged \(changed since .*`recbench prepare shop --split global --catalog FILE.toml`",
    ):
        Dataset.load(folder).read("test")


@pytest.mark.parametrize("manifest", ["{}", "[]", '{"format": 1}'])
def test_manifests_of_another_kind(tmp_path: Path, manifest: str) -> None:
    write(tmp_path)
    folder = shop(tmp_path).folder
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(DataError, match="damaged manifest"):
        Dataset.load(folder)


def test_times_of_another_unit(tmp_path: Path) -> None:
    lines = [f"{n % 9},{n % 7},1.5,{1714557600000 + n},{n % 6}" for n in range(90)]
    write_log(tmp_path, "user,item,price,ts,rating", lines, RATED)
    with pytest.raises(
        DataError, match='90 of 90 times `ts` lie outside 1990 to 2100 as s since 1970; .* time_unit = "ms"'
    ):
        shop(tmp_path)
    write_log(tmp_path, "user,item,price,ts,rating", lines, RATED.replace("[shop]", '[shop]\ntime_unit = "ms"'))
    assert shop(tmp_path).fresh


def test_a_warning_names_the_share_of_test_rows_of_new_users_with_the_remedy(tmp_path: Path) -> None:
    lines = [[f"u{n // 10:02}", "A", str(n % 8), "1", "a", str(1000 + n), ("buy", "seen")[n % 2]] for n in range(100)]
    write(tmp_path, lines)
    (line, *_) = warnings(shop(tmp_path).manifest)
    assert line.startswith("100.0% of the test rows are of users without train rows") and "`--split user`" in line
    assert not [line for line in warnings(shop(tmp_path, variant=Variant("user")).manifest) if "users" in line]


@pytest.mark.parametrize(("event", "remedy"), [("seen", "`--feedback buy` leaves it out, and "), ("buy", "")])
def test_a_feedback_of_every_row_is_named_with_the_remedy(tmp_path: Path, event: str, remedy: str) -> None:
    lines = [[f"u{n % 5}", "A", str(n % 8), "1", "a", str(1000 + n), ("buy", event)[n % 2]] for n in range(100)]
    toml = TOML if remedy else TOML.replace("seen = \"event IN ('seen', 'buy')\"\n", "")
    write(tmp_path, lines, toml)
    (line,) = warnings(shop(tmp_path).manifest)
    assert line.startswith(f"every train row gives {'seen' if remedy else 'buy'}, so that there is no AUC of it")
    assert f"learn nothing from it; {remedy}losses that draw negatives" in line
