from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from recbench.errors import DataError, UsageError
from recbench.home import raw_home
from recbench.preparation.prepare import Variant, prepare
from recbench.progress import Progress
from recbench.sources import catalog
from recbench.sources.raw_files import locate
from tests.preparation.shop import TOML, write


def located(toml: str, folder: Path, raw: Path | None = None) -> dict[str, Path]:
    spec = catalog.find("shop", write(folder, toml=toml))
    located = locate(spec, spec.files, raw, Progress(), lambda _: False)
    return {name: path for of_word in located.values() for name, path in of_word.items()}


def test_a_pattern_stands_for_all_files_that_match_it(tmp_path: Path) -> None:
    toml = TOML.replace('"log.csv"', '"part-*.csv"')
    for name in ("part-b.csv", "part-a.csv", "other.csv", ".part-c.csv"):
        (tmp_path / name).write_text("x")
    assert list(located(toml, tmp_path)) == ["part-a.csv", "part-b.csv"]
    raw = tmp_path / "raw"
    (raw / "deep" / "er").mkdir(parents=True)
    (raw / "deep" / "part-z.csv").write_text("x")
    (raw / "deep" / "er" / "part-y.csv").write_text("x")  # deeper than another
    assert located(toml, tmp_path, raw) == {"deep/part-z.csv": raw / "deep" / "part-z.csv"}
    absolute = TOML.replace('"log.csv"', f'"{tmp_path}/part-?.csv"')
    assert [path.name for path in located(absolute, tmp_path).values()] == ["part-a.csv", "part-b.csv"]
    with pytest.raises(DataError, match=r"nothing-\*.csv not found"):
        located(TOML.replace('"log.csv"', '"nothing-*.csv"'), tmp_path)


def test_a_folder_stands_for_all_files_below_it(tmp_path: Path) -> None:
    toml = TOML.replace('"log.csv"', '"logs"')
    (tmp_path / "logs" / "day=2").mkdir(parents=True)
    (tmp_path / "logs" / "_temporary").mkdir()
    for name in ("day=2/b.csv", "day=2/a.csv", "c.csv", "_SUCCESS", ".hidden", "_temporary/part.csv"):
        (tmp_path / "logs" / name).write_text("x")
    names = ["logs/c.csv", "logs/day=2/a.csv", "logs/day=2/b.csv"]
    assert located(toml, tmp_path) == {name: tmp_path / name for name in names}
    assert list(located(toml.replace('"logs"', '"logs/"'), tmp_path)) == names
    assert list(located(toml.replace('"logs"', f'"{tmp_path}/logs"'), tmp_path).values()) == [
        tmp_path / name for name in names
    ]
    raw = tmp_path / "raw"
    (raw / "deep" / "logs").mkdir(parents=True)
    (raw / "deep" / "logs" / "z.csv").write_text("x")
    assert located(toml, tmp_path, raw) == {"logs/z.csv": raw / "deep" / "logs" / "z.csv"}


def test_files_are_read_by_name_which_orders_equal_times(tmp_path: Path) -> None:
    own = write(tmp_path, toml=TOML.replace('"log.csv"', '"logs"'))
    header, *lines = (tmp_path / "log.csv").read_text().splitlines(keepends=True)
    lines = [",".join([*line.split(",")[:5], "1000", line.split(",")[6]]) for line in lines]  # all at one time
    (tmp_path / "log.csv").write_text("".join([header, *lines]))
    whole = prepare("shop", Variant("user"), catalog=write(tmp_path, lines=[line.strip().split(",") for line in lines]))
    (tmp_path / "logs").mkdir()
    for name, part in (("b.csv", lines[20:]), ("a.csv", lines[:20])):
        (tmp_path / "logs" / name).write_text("".join([header, *part]))
    own.write_text(TOML.replace('"log.csv"', '"logs"'))
    parts = prepare("shop", Variant("user"), catalog=own, force=True)
    assert parts.manifest.fingerprint == whole.manifest.fingerprint
    (tmp_path / "logs" / "a.csv").rename(tmp_path / "logs" / "c.csv")
    assert prepare("shop", Variant("user"), catalog=own).manifest.fingerprint != whole.manifest.fingerprint


def test_the_characters_of_patterns_may_stand_in_names(tmp_path: Path) -> None:
    for name in ("log[1].csv", "log1.csv"):
        (tmp_path / name).write_text("x")
    assert located(TOML.replace("log.csv", "log[1].csv"), tmp_path) == {"log[1].csv": tmp_path / "log[1].csv"}
    raw = tmp_path / "raw[a]"
    raw.mkdir()
    (raw / "log[1].csv").write_text("x")
    assert located(TOML.replace("log.csv", "log[1].csv"), tmp_path, raw) == {"log[1].csv": raw / "log[1].csv"}


def test_a_log_in_several_packed_files(tmp_path: Path) -> None:
    own = write(tmp_path, toml=TOML)
    whole = prepare("shop", catalog=own).manifest
    lines = (tmp_path / "log.csv").read_text().splitlines(keepends=True)
    for name, part in (("log-1.csv.gz", lines[1:20]), ("log-2.csv.gz", lines[20:])):
        (tmp_path / name).write_bytes(gzip.compress("".join([lines[0], *part]).encode()))
    (tmp_path / "log.csv").unlink()
    own.write_text(TOML.replace("log.csv", "log-*.csv.gz"))
    parts = prepare("shop", catalog=own, force=True).manifest
    assert parts.fingerprint == whole.fingerprint
    assert [source.file for source in parts.sources] == ["log-1.csv.gz", "log-2.csv.gz"]
    (tmp_path / "log-3.csv.gz").write_text("".join(lines[:3]))
    assert prepare("shop", catalog=own).fresh  # one more file is another log


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    own = write(tmp_path)
    (tmp_path / "log.csv").unlink()
    os.mkfifo(tmp_path / "log.csv")
    with pytest.raises(DataError, match="log.csv: a pipe, socket or device, where a file is expected"):
        prepare("shop", catalog=own)
    (tmp_path / "log.csv").unlink()
    (tmp_path / "log.csv").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="log.csv: a pipe, socket or device"):
        prepare("shop", catalog=own)
    (tmp_path / "log.csv").unlink()
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(DataError, match="log.csv: a folder without files"):
        prepare("shop", catalog=own)


def test_archives_that_are_no_files_are_passed_over(tmp_path: Path) -> None:
    raw_home("ml-1m").mkdir(parents=True)
    os.mkfifo(raw_home("ml-1m") / "ml-1m.zip")
    with pytest.raises(DataError, match="licence"):
        prepare("ml-1m")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = " + "[" * 20_000 + "]" * 20_000, "nested too deeply"),
        ("x = '" + "y" * (5 << 20) + "'", "more than 4,194,304 bytes, which no catalogue has"),
        ("x" + ".y" * 20_000 + " = 1", "nested too deeply|stands outside|unknown key|Expected|missing required"),
    ],
    ids=["nested", "large", "dotted"],
)
def test_catalogues_that_are_none(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "own.toml").write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        catalog.load(tmp_path / "own.toml")
    assert len(str(caught.value)) < 500


def test_a_catalogue_without_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "own.toml")
    for path in (tmp_path / "own.toml", Path("/dev/zero")):
        with pytest.raises(UsageError, match="a pipe, socket or device, where a file is expected"):
            catalog.load(path)
