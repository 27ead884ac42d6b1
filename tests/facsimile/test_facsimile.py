"""Facsimiles: what they say is in them is counted again from their text."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recbench.errors import UsageError
from tests import facsimile
from tests.facsimile import (
    Contents,
    aliccp,
    aliexpress,
    amazon,
    archive_ae,
    draw,
    gowalla,
    kuairand,
    kuairand_tables,
    movielens,
    retailrocket,
    taobao,
)
from tests.facsimile.conftest import MORE, ROWS
from tests.facsimile.recount import LISTS, lines
from tests.facsimile.recount_logs import check_ae, check_aliccp, check_kuairand, check_retailrocket, check_taobao
from tests.facsimile.recount_pairs import (
    check_citeulike,
    check_item_lists,
    check_kuairec,
    check_steam,
    check_yambda,
)
from tests.facsimile.recount_ratings import (
    check_1m,
    check_100k,
    check_amazon,
    check_checkins,
    check_lines,
    check_movielens_csv,
)

CSV_HEADERS = ("kuairand", "kuairec", "retailrocket", "ml-20m", "ml-25m", "ml-32m")


CHECKS: dict[str, Callable[[Path, Contents], None]] = {
    "aliccp": check_aliccp,
    **dict.fromkeys(("ae-es", "ae-fr", "ae-nl", "ae-us"), check_ae),
    **dict.fromkeys(("kuairand-pure", "kuairand-1k"), check_kuairand),
    "retailrocket": check_retailrocket,
    "ml-100k": check_100k,
    "ml-1m": check_1m,
    **dict.fromkeys(("ml-20m", "ml-25m", "ml-32m"), check_movielens_csv),
    **dict.fromkeys(("amazon-books", "amazon-cd", "amazon-beauty"), check_amazon),
    "taobao": check_taobao,
    "gowalla-checkins": check_checkins,
    **dict.fromkeys(("gowalla", "gowalla-lightgcn", "lastfm", "yelp2018", "amazon-book"), check_lines),
    **dict.fromkeys(("citeulike-a", "citeulike-t"), check_citeulike),
    "ml-1m-m1": check_item_lists,
    "kuairec": check_kuairec,
    "steam": check_steam,
    "yambda-50m": check_yambda,
}


def test_every_facsimile_is_checked() -> None:
    assert set(CHECKS) == set(facsimile.NAMES)


@pytest.mark.parametrize("name", facsimile.NAMES)
def test_counts_are_those_of_the_text(name: str, written: Callable[[str], tuple[Path, Contents]]) -> None:
    folder, known = written(name)
    CHECKS[name](folder, known)
    log = sum(known.log.rows.values())
    assert log == MORE.get(name, ROWS)
    assert known.log.users >= 20


@pytest.mark.parametrize("name", facsimile.NAMES)
def test_files_are_listed_with_their_rows(name: str, written: Callable[[str], tuple[Path, Contents]]) -> None:
    folder, known = written(name)
    assert set(known.files) == {path for path in folder.rglob("*") if path.is_file()}
    for path, rows in zip(known.files, known.raw.values(), strict=True):
        assert str(path.relative_to(folder)) in known.raw
        assert len(lines(path)) - (name.startswith(CSV_HEADERS) or path.name in LISTS) == rows


@pytest.mark.parametrize("name", facsimile.NAMES)
def test_blocks_do_not_change_what_is_true(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (aliccp, aliexpress, amazon, gowalla, kuairand, kuairand_tables, movielens, retailrocket, taobao):
        monkeypatch.setattr(module, "BLOCK", 300)
    monkeypatch.setattr(aliccp, "COMMON_BLOCK", 7)
    CHECKS[name](tmp_path, facsimile.write(name, tmp_path, MORE.get(name, ROWS), seed=3))


@pytest.mark.parametrize("name", facsimile.NAMES)
def test_the_seed_decides_the_bytes(name: str, tmp_path: Path) -> None:
    digests = []
    for place, seed in enumerate((1, 1, 2)):
        known = facsimile.write(name, tmp_path / str(place), 1000, seed)
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in known.files])
    assert digests[0] == digests[1]
    assert all(path.read_bytes()[4:8] == bytes(4) for path in known.files if path.suffix == ".gz")  # no date
    assert digests[0][0] != digests[2][0]


@pytest.mark.parametrize(
    ("name", "rows", "seed", "message"),
    [
        ("ml-2m", 2000, 0, "unknown facsimile `ml-2m`; did you mean `ml-"),
        ("taobao", 999, 0, "facsimile of taobao: 999 rows; it needs at least 1000"),
        ("taobao", 1000, -1, "facsimile of taobao: seed -1; use 0 or more"),
    ],
)
def test_what_cannot_be_written(name: str, rows: int, seed: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        facsimile.write(name, tmp_path, rows, seed)
    assert not list(tmp_path.iterdir())


def test_aliccp_lines_are_as_long_as_the_real_ones(tmp_path: Path) -> None:
    known = facsimile.write("aliccp", tmp_path, 20_000)
    for split_name in ("train", "test"):
        sizes = {
            name: (tmp_path / f"{name}_{split_name}.csv").stat().st_size / known.raw[f"{name}_{split_name}.csv"]
            for name in ("sample_skeleton", "common_features")
        }
        assert 220 < sizes["sample_skeleton"] < 260
        assert 9000 < sizes["common_features"] < 13_000


def test_archives_are_zips_in_a_folder_in_a_zip(
    written: Callable[[str], tuple[Path, Contents]], tmp_path: Path
) -> None:
    folder, known = written("ae-nl")
    (archive,) = archive_ae(folder, tmp_path / "packed")
    assert archive.name == "aliexpress_NL_datasets.zip"
    with zipfile.ZipFile(archive) as outer:
        parts = [f"nl_{side}_{part}" for side in ("item", "user") for part in ("test", "train")]
        assert sorted(outer.namelist()) == [f"aliexpress_NL_datasets/{part}.zip" for part in parts]
        for name in outer.namelist():
            with outer.open(name) as file, zipfile.ZipFile(file) as inner:
                (member,) = inner.namelist()
                assert member == Path(name).stem + ".csv"
                assert inner.read(member) == (folder / member).read_bytes()
    again = archive_ae(folder, tmp_path / "again")[0]
    assert again.read_bytes() == archive.read_bytes()


def test_what_is_drawn_has_the_shape_of_a_log() -> None:
    random = np.random.default_rng(0)
    counts = draw.share_rows(5000, 60, 3, random, most=4)
    assert counts.sum() == 5000 and counts.min() >= 3 and counts.max() <= 4 * 5000 / 60 + 1
    owner, rank = draw.draw_distinct(counts, 400, random, power=6)
    assert np.bincount(owner).tolist() == counts.tolist()
    assert len({*zip(owner.tolist(), rank.tolist(), strict=True)}) == 5000 and {*rank.tolist()} <= {*range(400)}
    for drawn in (rank, draw.draw_skewed(400, 5000, random, power=6)):
        assert np.count_nonzero(drawn < 40) > 1.4 * np.count_nonzero((drawn >= 40) & (drawn < 80)) > 0
    for size in (1, 2, 7, 30, 400, 999):
        assert sorted(draw.renumber(np.arange(size), size).tolist()) == list(range(size))
    assert draw.renumber(np.arange(400), 400)[:3].tolist() == [133, 380, 227]
