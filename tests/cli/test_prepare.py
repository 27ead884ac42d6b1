"""`recbench prepare NAME` from nothing: licence, download, unpacking; or one screen that says what to do by hand."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recbench.home import home, raw_home
from tests import facsimile
from tests.conftest import Run


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server of a folder that holds ml-1m.zip, and a catalogue whose dataset `films` is downloaded from there."""
    folder = tmp_path / "site"
    facsimile.write("ml-1m", tmp_path / "raw", 3000)
    folder.mkdir()
    with zipfile.ZipFile(folder / "films.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((tmp_path / "raw").rglob("*.dat")):
            archive.write(path, f"ml-1m/{path.name}")
        archive.writestr("ml-1m/README", "x")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/films.zip"
    digest = md5((folder / "films.zip").read_bytes()).hexdigest()
    (tmp_path / "films.toml").write_text(f"""
[films]
title = "Films"
licence = "ask first"
licence_page = "http://example.org/licence"
page = "http://example.org/films"
reader = "movielens"
files = ["ratings.dat", "users.dat", "movies.dat"]
download = [{{ file = "films.zip", urls = ["http://127.0.0.1:9/films.zip", "{url}"], md5 = "{digest}" }}]
time = "timestamp"
feedback = {{ like = "rating > 4" }}
user = {{ key = "user_id", categorical = ["user_id"] }}
item = {{ key = "movie_id", categorical = ["movie_id"] }}

[shop]
title = "Shop"
licence = "research only"
page = "http://example.org/shop"
reader = "table"
files = ["log.csv"]
by_hand = {{ "shop.zip" = "about 2 GB" }}
feedback = {{ buy = "a = 1" }}
splits = ["random"]
user = {{ key = "u", categorical = ["u"] }}
item = {{ key = "i", categorical = ["i"] }}
""")
    yield url, tmp_path / "films.toml"
    server.shutdown()
    server.server_close()


def test_licence_then_download_then_prepared(run: Run, site: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _, catalog = site
    refused = run("prepare", "films", "--catalog", str(catalog))
    assert refused.code == 1
    assert "Films: ask first; http://example.org/licence" in refused.err
    assert "add --accept-licence if you accept it, or --raw DIR if you have the files" in refused.err
    assert not list(home().rglob("*.zip"))
    monkeypatch.setenv("RECBENCH_OFFLINE", "1")
    offline = run("prepare", "films", "--catalog", str(catalog), "--accept-licence")
    assert offline.code == 1 and "RECBENCH_OFFLINE forbids to download it" in offline.err
    monkeypatch.delenv("RECBENCH_OFFLINE")
    monkeypatch.setattr("recbench.sources.download.PAUSE", 0.01)
    done = run("prepare", "films", "--catalog", str(catalog))  # the licence was accepted before
    assert done.code == 0 and "3,000 rows" in done.out, done.err
    unpacked = sorted(path.name for path in (raw_home("films") / "unpacked").glob("*/*.dat"))
    assert unpacked == ["movies.dat", "ratings.dat", "users.dat"]
    site[1].with_name("site").joinpath("films.zip").unlink()
    again = run("prepare", "films", "--catalog", str(catalog), "--force")
    assert again.code == 0, again.err  # what is there is not fetched again


def test_an_archive_beside_the_files(run: Run, site: tuple[str, Path], tmp_path: Path) -> None:
    done = run("prepare", "films", "--catalog", str(site[1]), "--raw", str(tmp_path / "site"))
    assert done.code == 0 and "3,000 rows" in done.out
    facsimile.write("ml-1m", tmp_path / "other", 2000, seed=1)
    with zipfile.ZipFile(tmp_path / "site" / "films.zip", "w") as archive:
        for path in sorted((tmp_path / "other").rglob("*.dat")):
            archive.write(path, path.name)
    nameless = run("prepare", "films")
    told = (
        "error: films is a dataset of your own; name its catalogue too: `recbench prepare films --catalog FILE.toml`\n"
    )
    assert (nameless.code, nameless.err) == (2, told)
    again = run("prepare", "films", "--catalog", str(site[1]), "--raw", str(tmp_path / "site"))
    assert again.code == 0 and "2,000 rows" in again.out  # and not what was unpacked before


def test_a_login_is_explained_on_one_screen(run: Run, site: tuple[str, Path]) -> None:
    told = run("prepare", "shop", "--catalog", str(site[1]))
    assert told.code == 1 and told.out == ""
    screen, _, error = told.err.rpartition("error: ")
    for words in ("1. open http://example.org/shop", "shop.zip   about 2 GB", f"into {raw_home('shop')}"):
        assert words in screen
    assert "4. run `recbench prepare shop --catalog FILE.toml` again" in screen and screen.count("\n") <= 20
    assert "log.csv not found" in error and error.count("\n") == 1
    folder = raw_home("shop")
    folder.mkdir(parents=True)
    rows = "".join(f"u{n % 7},i{n % 5},{n % 2}\n" for n in range(200))
    with zipfile.ZipFile(folder / "shop.zip", "w") as archive:
        archive.writestr("deep/log.csv", "u,i,a\n" + rows)
    assert run("prepare", "shop", "--catalog", str(site[1])).code == 0


def test_check_ends_with_1_where_a_rule_is_broken(run: Run, tmp_path: Path) -> None:
    facsimile.write("kuairand-pure", tmp_path, 4000)
    leaking = run("prepare", "kuairand-pure", "--raw", str(tmp_path), "--rule", "gnolr")
    assert leaking.code == 0 and "leak: known leak: 51 of" in leaking.err
    told = run("check", "kuairand-pure/global+gnolr")
    assert told.code == 1 and "aggregates" in told.out
    assert {finding["rule"]: finding["status"] for finding in run("check", "--json").json}["aggregates"] == "broken"
    assert run("prepare", "kuairand-pure", "--raw", str(tmp_path)).code == 0
    assert run("check", "kuairand-pure").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-memory", "lots"), "--max-memory lots: expected a size such as 4GB"),
        (("--max-memory", "1MB"), "--max-memory 1MB: at least 512 MiB are needed"),
        (("--ratio", "8:2"), "--ratio 8:2: expected three whole numbers"),
        (("--rule", "gnolr"), "unknown rule `gnolr` of synthetic"),
        (("--feedback", "vew"), "unknown feedback `vew` of synthetic; did you mean `view`?"),
        (("--split", "given"), "synthetic has no split `given`"),
        (("--split", "date", "--split-date", "1.2.2024"), "--split-date 1.2.2024: expected a day of the calendar"),
        (("--split", "date", "--split-date", "2024-02-30"), "--split-date 2024-02-30: expected a day of the calendar"),
        (("--split", "date", "--split-date", "2030-01-01"), "since the log is of 2024-01-01 to 2024-01-30 (UTC)"),
        (("--split", "date"), "split `date` needs the first day of test: add --split-date YYYY-MM-DD"),
        (("--split", "days", "--split-days", "0"), "--split-days 0: expected a whole number from 1 to 1,000,000"),
        (("--split", "days", "--split-days", "15"), "--split-days 15: the days of the log, 2024-01-01 to 2024-01-30"),
        (("--split-days", "2"), "--split-days has no effect on split `global`; add --split days, or leave it out"),
    ],
)
def test_options_that_cannot_be_meant(run: Run, words: tuple[str, ...], message: str) -> None:
    result = run("prepare", "synthetic", *words)
    assert result.code == 2 and result.err.startswith("error: ") and message in result.err
    assert result.err.count("\n") == 1


def test_variants_lie_side_by_side(run: Run) -> None:
    for words in ((), ("--ratio", "8:1:1"), ("--feedback", "view,buy"), ("--feedback", "is_cart >= 1")):
        assert run("prepare", "synthetic", "--rows", "5000", *words).code == 0
    for words in (("days", "--split-days", "3"), ("days",), ("date", "--split-date", "2024-01-25"), ("leave-one-out",)):
        assert run("prepare", "synthetic", "--rows", "5000", "--split", *words).code == 0
    names = sorted(path.name for path in (home() / "prepared" / "synthetic").iterdir())
    in_time = ["date+2024-01-25", "days+1-day", "days+3-days", "global"]
    assert names == [*in_time, "global+8-1-1", "global+is_cart_ge_1", "global+view-buy", "leave-one-out"]
    missing = run("train", "--dataset", "synthetic/days+2-days", "--loss", "bce")
    assert missing.code == 2 and "or run `recbench prepare synthetic --split days --split-days 2` first" in missing.err
    assert "synthetic/days+2-days is not prepared, but " in missing.err and "synthetic/days+3-days" in missing.err
    trained = run("train", "--dataset", "synthetic/global+view-buy", "--loss", "nsb", "--epochs", "1")
    assert trained.code == 0 and "on synthetic/global+view-buy, seed 0" in trained.out
