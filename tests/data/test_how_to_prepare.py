"""The command that makes a prepared folder of a given name, and what is said where a dataset is not prepared."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from recbench.data.how_to_prepare import prepare_command
from recbench.data.prepared_datasets import find_prepared, how_found
from recbench.errors import UsageError
from recbench.sources.catalog import choose_feedback, expression_named, find
from tests.conftest import Run


@pytest.mark.parametrize(
    ("dataset", "folder", "options"),
    [
        ("gowalla", "given", "--split given"),
        ("gowalla", "", ""),
        ("ml-1m", "user+rating_gt_3+7-1-2", "--split user --feedback 'rating>3' --ratio 7:1:2"),
        ("ml-1m", "users+mult-vae", "--split users --rule mult-vae"),
        ("kuairand-pure", "global+all+click-like-follow", "--split global --rule all --feedback click,like,follow"),
        ("ml-1m", "date+2001-01-01", "--split date --split-date 2001-01-01"),
        ("ml-1m", "days+7-days", "--split days --split-days 7"),
        ("ml-1m", "sessions+1-day", "--split sessions --split-days 1"),
    ],
)
def test_the_options_that_make_a_folder(dataset: str, folder: str, options: str) -> None:
    command = prepare_command(dataset, folder).strip("`")
    assert shlex.split(command) == ["recbench", "prepare", dataset, *shlex.split(options)]


def test_the_command_makes_the_folder(run: Run) -> None:
    words = shlex.split(prepare_command("synthetic", "user+view-buy+8-1-1").strip("`"))[1:]
    assert run(*words, "--rows", "2000").code == 0
    folder = find_prepared("synthetic")
    assert how_found("synthetic", folder) == "synthetic/user+view-buy+8-1-1"
    assert run("prepare", "synthetic", "--rows", "2000").code == 0
    newest = find_prepared("synthetic")
    other = "synthetic/global (the most recently prepared; synthetic/user+view-buy+8-1-1 can be named)"
    assert how_found("synthetic", newest) == other and how_found("synthetic/global", newest) == "synthetic/global"
    assert how_found(None, newest) == "synthetic/global (the most recently prepared)"


def test_a_file_of_the_users_decides_what_stands_behind_a_name() -> None:
    assert prepare_command("shop", "user") == "`recbench prepare shop --split user --catalog FILE.toml`"
    assert prepare_command("shop", "user+x").endswith("FILE.toml`, with the options that make user+x,")


@pytest.mark.parametrize("expression", ["rating>=3", "rating>3.5", "rating!=2", "stars<=4", "rating=5"])
def test_expressions_that_names_of_feedback_stand_for(expression: str) -> None:
    (name,) = choose_feedback(find("ml-1m"), expression).feedback
    assert expression_named(name).replace("<>", "!=") == expression
    assert expression_named("long_view") == "long_view"


def test_a_split_that_is_not_prepared(small_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    with pytest.raises(UsageError, match="run `recbench prepare gowalla --split given` first"):
        find_prepared("gowalla/given")
    with pytest.raises(UsageError, match="unknown split `lightgcn` of gowalla; known: given, random"):
        find_prepared("gowalla/lightgcn")
