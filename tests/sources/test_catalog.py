from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recbench.errors import DataError, UsageError
from recbench.preparation.prepare import Variant, prepare
from recbench.sources import catalog
from tests.preparation.shop import TOML, write


def test_shipped_catalogue() -> None:
    specs = catalog.load()
    assert len(specs) == 30
    for name, spec in specs.items():
        assert spec.title and spec.licence and spec.citation and spec.page
        assert spec.log_columns
        assert spec.download or spec.by_hand or name == "synthetic"
        for remote in spec.download:
            assert all(url.startswith("https://") for url in remote.urls)
            assert len(remote.md5 or "0" * 32) == 32 and len(remote.sha256 or "0" * 64) == 64
        for rule in spec.rules:
            assert catalog.find(name, None, rule).rule == rule
            assert catalog.find(name, None, spec.rule) == spec
    assert specs["ml-1m"].expect.positives == {"like": 226_310}
    assert specs["kuairand-pure"].log_columns == ("time_ms", "is_like", "is_follow", "tab")
    gnolr = catalog.find("kuairand-pure", None, "gnolr")
    assert len(gnolr.item.numeric) == 52 and len(gnolr.user.features) == 30 and len(gnolr.item.features) == 63
    assert (
        set(gnolr.aggregates) == set(gnolr.item.numeric) - {"video_duration"} and not specs["kuairand-pure"].aggregates
    )


def test_rules_by_name() -> None:
    with pytest.raises(UsageError, match="unknown rule `gnlr` of kuairand-pure; did you mean `gnolr`"):
        catalog.find("kuairand-pure", None, "gnlr")
    every = catalog.find("kuairand-pure", None, "all")
    assert (every.filter, every.complete, list(every.feedback)) == ("tab >= 0", False, ["click", "like", "follow"])


@pytest.mark.parametrize(
    ("words", "feedback"),
    [
        ("click,like", {"click": "is_click = 1", "like": "is_like = 1"}),
        ("is_like=1", {"is_like_eq_1": "is_like=1"}),
        ("good=is_like = 1 OR is_follow = 1", {"good": "is_like = 1 OR is_follow = 1"}),
        ("tab>=1, tab >= 2", {"tab_ge_1": "tab>=1", "tab_ge_2": "tab >= 2"}),
        ("click=tab IN (1, 2),like", {"click": "tab IN (1, 2)", "like": "is_like = 1"}),
        (
            "a=tab = '1,2' OR (tab IN (1,(2))), b=\"x,(y\" = 1",
            {"a": "tab = '1,2' OR (tab IN (1,(2)))", "b": '"x,(y" = 1'},
        ),
    ],
)
def test_feedback_of_ones_own(words: str, feedback: dict[str, str]) -> None:
    assert catalog.choose_feedback(catalog.find("kuairand-pure"), words).feedback == feedback


def test_bad_feedback_of_ones_own() -> None:
    with pytest.raises(UsageError, match="unknown feedback `lik` of ml-1m; did you mean `like`"):
        catalog.choose_feedback(catalog.find("ml-1m"), "lik")
    with pytest.raises(UsageError, match="no feedback"):
        catalog.choose_feedback(catalog.find("ml-1m"), " , ")
    with pytest.raises(UsageError, match="--feedback: `top` is named twice"):
        catalog.choose_feedback(catalog.find("ml-1m"), "top=rating>=5,top=rating>=4")


def test_of_many_names_a_hundred_are_listed(tmp_path: Path) -> None:
    own = write(tmp_path, toml=TOML.replace('time = "ts"', 'time = "ts"\ntime_zone = "Mars/Olympus"'))
    with pytest.raises(UsageError, match=r"unknown time zone `Mars/Olympus`; .* and \d+ more$") as caught:
        catalog.find("shop", own)
    assert len(str(caught.value)) < 3000


def test_counts_are_expected_only_of_feedback_that_is_still_meant() -> None:
    spec = catalog.find("ml-1m")
    assert spec.expect.positives == {"like": 226_310}
    for words, expected in {"like": {"like": 226_310}, "rating>3": {}, "like=rating>3": {}}.items():
        assert catalog.choose_feedback(spec, words).expect == replace(spec.expect, positives=expected)


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
        ('title = "Own shop"', "title = 3", "shop: `title` is a whole number; expected text in quotes"),
        ('files = ["log.csv"]', 'files = "log.csv"', 'shop: `files` is text in quotes, as in "name"; expected a list'),
        ('reader = "table"', 'reader = "tabel"', "unknown reader `tabel`; did you mean `table`?"),
        ('reader = "table"', "", "shop: Object missing required field `reader`"),
        ('splits = ["global", "user"]', 'splits = ["globl"]', "unknown split `globl`; did you mean `global`?"),
        ('time = "ts"', 'time = "ts"\ntime_unit = "h"', "`time_unit` must be s, ms, us or ns, not 'h'"),
        ("buy =", "level =", "`level` cannot name a feedback"),
        ('["user", "city"]', '["user", "user"]', "shop.user: the feature column `user` is listed twice"),
        ('["user", "city"]', '["a/b"]', "shop.user: a column cannot be called 'a/b'"),
        ("[shop.feedback]", "[shop.feedback", "not a readable TOML file"),
        ("[shop]\n", "stray = 1\n[shop]\n", "`stray` stands outside a table"),
        ("shop", "ml-1m", "`ml-1m` is a dataset of recbench; choose another name"),
        ("event = 'buy'", "event =", "is not an SQL expression"),
        ('time = "ts"', 'time = "ts"\nratio = [7, 0, 3]', "`ratio` is three whole numbers of at least 1"),
        (
            'time = "ts"',
            'time = "ts"\nsplit_days = 0',
            "shop: `split_days` is a whole number from 1 to 1,000,000, not 0",
        ),
        ('time = "ts"', 'time = "ts"\nsplit_date = "1.5.2024"', "shop: split_date = 1.5.2024: expected a day of the"),
        (
            'time = "ts"',
            'time = "ts"\nsplit_date = "2023-02-29"',
            "shop: split_date = 2023-02-29: expected a day of the",
        ),
        (
            'time = "ts"',
            'time = "ts"\nsplit_date = 7',
            "shop: `split_date` is a whole number; expected a day",
        ),
        (
            'time = "ts"',
            'time = "ts"\nsplit_date = 2024-05-01T10:00:00',
            "`split_date` is a day with a time of day; expected a day",
        ),
        ('time = "ts"', 'time = "ts"\ntime_zone = "Europe/Berln"', "unknown time zone `Europe/Berln`; did you mean"),
        ('time = "ts"', 'time = "ts"\nquote = "ab"', "`quote` is one character that separates nothing, or empty"),
        ('time = "ts"', 'time = "ts"\nseparator = "\\n"', "`separator` cannot hold line breaks or quotes"),
        ('time = "ts"', 'time = "ts"\ndecimal = ","', "`decimal` is a point or a comma, and not the `separator`"),
        ('time = "ts"', 'time = ""', "shop: `time` is empty"),
        ('time = "ts"', 'time = "ts"\nmin_count = 0', "shop: `min_count` is a whole number from 1 to"),
        ('time = "ts"', 'time = "ts"\ncore = { user = -1 }', "shop: `core.user` is a whole number from 1 to"),
        ('time = "ts"', 'time = "ts"\ncore = { rounds = 0 }', "shop: `core.rounds` is a whole number from 1 to"),
        ('time = "ts"', 'time = "ts"\nknown_users = true', "shop: `known_users` looks at the shipped train part"),
        ('time = "ts"', 'time = "ts"\nrules = { a = { user = 1 } }', "shop.rules.a: `user` is a table"),
        ('files = ["log.csv"]', 'files = ["**log.csv"]', "`files`: **log.csv is not a pattern"),
        ('time = "ts"', 'time = "ts"\ncolumns = ["user", "city", "user", "item"]', "`columns` names `user` twice"),
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
    assert (
        "leave out --raw to download them, or get https://files.grouplens.org/datasets/movielens/ml-1m.zip" in message
    )
    assert "recbench prepare ml-1m --raw DIR" in message
    with pytest.raises(UsageError, match="--raw .*: no such folder"):
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


@pytest.mark.parametrize("rule", ["x/../../victim", "..", "a/b", "/tmp/victim", "a\\nb", "a+b", "", "x" * 65])
def test_a_rule_is_named_like_a_folder_and_leads_nowhere_else(tmp_path: Path, rule: str) -> None:
    victim = tmp_path / "home" / "prepared" / "victim"
    victim.mkdir(parents=True)
    (victim / "thesis.txt").write_text("mine")
    own = write(tmp_path, toml=TOML + f'[shop.rules."{rule}"]\nfilter = "price > 0"\n')
    with pytest.raises(UsageError, match="cannot name a rule; use up to 64 letters, digits"):
        prepare("shop", Variant(rule=rule), catalog=own, force=True)
    assert (victim / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("column", ["a\\nb", "\\u001b[31m", "x" * 201, ""])
def test_a_column_is_named_like_a_file(tmp_path: Path, column: str) -> None:
    own = write(tmp_path, toml=TOML.replace('["user", "city"]', f'["user", "{column}"]'))
    with pytest.raises(UsageError, match="shop.user: a column cannot be called") as caught:
        catalog.load(own)
    assert str(caught.value).isprintable()
