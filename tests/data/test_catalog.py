from __future__ import annotations

from pathlib import Path

import pytest

from recbench.data import catalog
from recbench.data.prepare import prepare
from recbench.errors import DataError, UsageError

from .shop import TOML, write


def test_shipped_catalogue() -> None:
    specs = catalog.load()
    assert list(specs) == ["synthetic", "ml-100k", "ml-1m", "kuairand-pure"]
    for spec in specs.values():
        assert spec.split == "global"
        assert spec.title and spec.licence and spec.citation and spec.page
        assert spec.log_columns
    assert specs["ml-1m"].expect.positives == {"like": 226_310}
    assert specs["kuairand-pure"].log_columns == ("time_ms", "is_click", "is_like", "is_follow")


def test_own_tables_are_added(tmp_path: Path) -> None:
    specs = catalog.load(write(tmp_path))
    assert {"ml-1m", "shop"} <= set(specs)
    assert specs["shop"].folder == tmp_path
    assert specs["shop"].user.identity == ("user", "city")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Own shop"', 'title = "x"\nlicense = "y"', "shop: unknown key `license`; did you mean `licence`?"),
        ("numeric = [", "numerical = [", "shop.item: unknown key `numerical`; did you mean `numeric`?"),
        ('title = "Own shop"', "title = 3", "shop: Expected `str`, got `int` - at `title`"),
        ('files = ["log.csv"]', 'files = "log.csv"', "shop: Expected `array`, got `str` - at `files`"),
        ('reader = "table"', 'reader = "tabel"', "unknown reader `tabel`; did you mean `table`?"),
        ('reader = "table"', "", "shop: Object missing required field `reader`"),
        ('splits = ["global", "user"]', 'splits = ["globl"]', "unknown split `globl`; did you mean `global`?"),
        ('time = "ts"', 'time = "ts"\ntime_unit = "h"', "`time_unit` must be s or ms, not 'h'"),
        ("buy =", "level =", "`level` cannot name a feedback"),
        ('["user", "city"]', '["user", "user"]', "shop.user: the feature column `user` is listed twice"),
        ('["user", "city"]', '["a/b"]', "shop.user: a column cannot be called `a/b`"),
        ("[shop.feedback]", "[shop.feedback", "not a readable TOML file"),
        ("[shop]\n", "stray = 1\n[shop]\n", "`stray` stands outside a table"),
        ("shop", "ml-1m", "`ml-1m` is a dataset of recbench; choose another name"),
        ("event = 'buy'", "event =", "is not an SQL expression"),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, message: str) -> None:
    own = write(tmp_path, toml=TOML.replace(old, new))
    with pytest.raises(UsageError) as caught:
        prepare("shop", catalog=own)
    assert message in str(caught.value)


def test_unknown_dataset_and_missing_catalogue(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown dataset `ml1m`; did you mean `ml-1m`"):
        catalog.find("ml1m")
    with pytest.raises(UsageError, match="no such catalogue file"):
        catalog.load(tmp_path / "none.toml")


def test_missing_files_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n")
    with pytest.raises(DataError) as caught:
        prepare("ml-1m", raw=tmp_path)
    message = str(caught.value)
    assert f"ratings.dat, movies.dat not found in {tmp_path}" in message
    assert "download https://files.grouplens.org/datasets/movielens/ml-1m.zip" in message
    assert "recbench prepare ml-1m --raw DIR" in message
    with pytest.raises(DataError, match="no such folder"):
        prepare("ml-1m", raw=tmp_path / "none")


def test_two_copies_of_a_file_need_a_choice(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("ratings.dat", "users.dat", "movies.dat"):
            (tmp_path / folder / name).write_text("x\n")
    with pytest.raises(DataError, match="name one with --raw DIR"):
        prepare("ml-1m", raw=tmp_path)
    (tmp_path / "b").rename(tmp_path / "ml-1m")
    with pytest.raises(DataError, match="ml-1m/ratings.dat, line 1: expected 4 fields separated by `::`"):
        prepare("ml-1m", raw=tmp_path)
