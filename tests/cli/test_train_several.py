"""`recbench train` of several losses, backbones and seeds, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from recbench.errors import TrainingError
from recbench.home import results_home
from recbench.losses.base import LOSSES
from recbench.run import train_command
from recbench.study.launchers import in_this_process
from tests.conftest import Run

QUICK = ("--epochs", "1", "--set", "backbone.dim=4")


@pytest.fixture
def prepared(run: Run, small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Types a command where a small log is prepared."""
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    return run


def records() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in results_home().rglob("record.json")]


def test_every_loss_on_every_backbone_with_every_seed(prepared: Run) -> None:
    words = ("train", "--loss", "bce,bpr", "--backbone", "mf,neumf", "--seeds", "2", *QUICK)
    result = prepared(*words)
    assert result.code == 0
    titles = [line.split("  ")[1] for line in result.out.splitlines()]
    expected = [f"{loss} × {backbone}" for backbone in ("mf", "neumf") for loss in ("bce", "bpr") for _ in range(2)]
    assert [title.partition(" on ")[0] for title in titles] == expected
    assert [title[-1] for title in titles] == ["0", "1"] * 4
    assert "4 methods, 2 seeds each: 8 runs" in result.err
    again = prepared(*words)
    assert again.out == result.out
    assert "seed 0  valid" not in again.err
    evaluated = prepared("eval", "--metric", "auc", "--no-baselines", "--json")
    assert len({number["run"] for number in evaluated.json}) == 8


def test_runs_are_those_of_single_commands(prepared: Run) -> None:
    single = prepared("train", "--loss", "bce", "--backbone", "mf", *QUICK).out
    several = prepared("train", "--loss", "bce,gnolr", "--backbone", "mf", *QUICK)
    assert several.out.splitlines()[0] == single.strip()
    assert "1 run exists and is not trained again" in several.err


def test_all_leaves_out_what_does_not_fit(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["bce", "esmm", "softmax"]
    monkeypatch.setattr(LOSSES, "names", lambda: names)
    result = prepared("train", "--loss", "all", "--backbone", "mf", "--feedback", "view", *QUICK)
    assert result.code == 0
    assert "left out: esmm × mf: loss `esmm` needs at least 2 kinds of feedback" in result.err
    assert {record["key"]["loss"] for record in records()} == {"bce", "softmax"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--loss", "bce,buir", "--backbone", "mf,neumf"), "loss `buir` needs"),
        (("--loss", "bce,bbr"), "unknown loss `bbr`; did you mean `bpr`?"),
        (("--loss", "bce,all"), "`all` stands for every loss"),
        (("--loss", ","), "`,`: a name is missing beside a comma"),
        (("--loss", "bce", "--backbone", ",mf"), "`,mf`: a name is missing beside a comma; type mf"),
        (("--loss", "bce,bpr", "--backbone", "mf,m"), "unknown backbone `m`"),
        (("--loss", "bce,esmm", "--feedback", "view"), "loss `esmm` needs at least 2 kinds"),
        (("--loss", "all", "--set", "train.epoch=1"), "no loss fits: unknown setting `epoch` of train"),
        (("--loss", "bce", "--fair", "--lr", "0.1"), "--fair searches the learning rate"),
        (("--loss", "bce", "--grid", "lr=0.1,0.2"), "--grid lr=0.1,0.2: only `--fair` searches; add --fair"),
        (("--loss", "bce,bpr", "--fair", "--set", "train.lr=0.1"), "--fair searches the learning rate"),
    ],
)
def test_refused_before_anything_is_written(prepared: Run, words: tuple[str, ...], message: str) -> None:
    result = prepared("train", *words)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert message in result.err
    assert not results_home().exists()


def test_a_failure_does_not_stop_the_others(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    train = in_this_process.train

    def fail(run: in_this_process.Training, *arguments: object, **named: object) -> object:
        if run.key.loss == "bce":
            raise TrainingError("the loss became nan")
        return train(run, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(in_this_process, "train", fail)
    result = prepared("train", "--loss", "bce,bpr", "--backbone", "mf", *QUICK)
    assert result.code == 1
    assert (
        "bce × mf on synthetic/global, seed 0: the loss became nan; 1 of 2 runs failed, the others are kept\n"
        in result.err
    )
    assert [record["key"]["loss"] for record in records()] == ["bpr"]
    monkeypatch.setattr(in_this_process, "train", Mock(side_effect=TrainingError("the loss became nan")))
    result = prepared("train", "--loss", "bce,bpr", "--backbone", "mf", "--seed", "5", *QUICK)
    assert result.err.endswith("; 2 of 2 runs failed\n")


def test_a_seed_that_fails_does_not_stop_the_others(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    train = train_command.train

    def fail(run: train_command.Training, *arguments: object, **named: object) -> object:
        if run.key.seed == 0:
            raise TrainingError("the loss became nan")
        return train(run, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(train_command, "train", fail)
    result = prepared("train", "--loss", "bpr", "--backbone", "mf", "--seeds", "2", "--lanes", "1", *QUICK)
    assert (result.code, [record["key"]["seed"] for record in records()]) == (1, [1])
    assert result.err.endswith(
        "bpr × mf on synthetic/global, seed 0: the loss became nan; 1 of 2 runs failed, the others are kept\n"
    )


def test_fair_is_the_same_in_train_and_sweep(prepared: Run) -> None:
    swept = prepared("sweep", "--losses", "bce,buir", "--backbone", "mf", "--fair", *QUICK, "--json").json
    assert {tuple(trial["words"]) for trial in swept["trials"]} == {
        (f"train.lr={rate}",) for rate in ("0.001", "0.005", "0.02", "0.05", "0.1")
    }
    before = {record["key"]["loss"] + str(record["key"]["settings"]["train.lr"]) for record in records()}
    assert len(before) == 10
    result = prepared("train", "--loss", "bce,buir", "--backbone", "mf", "--fair", "--seeds", "2", *QUICK)
    assert result.code == 0
    assert "10 runs exist" in result.err
    settings = {record["key"]["loss"]: record["key"]["settings"] for record in records() if record["key"]["seed"] == 1}
    assert settings["bce"]["loss.logit"] == "learned"
    assert "loss.logit" not in settings["buir"]
    for loss, of_loss in settings.items():
        assert f"train.lr={of_loss['train.lr']}" in swept["best"][loss]


def test_trials_are_of_what_every_loss_says_of_itself(prepared: Run) -> None:
    words = (
        "--backbone",
        "mf",
        "--fair",
        "--trials",
        "2",
        "--set",
        "backbone.l2_of=vectors",
        *QUICK,
    )  # which needs an l2
    swept = prepared("sweep", "--losses", "bce,buir", *words, "--json").json
    searched = sorted(
        (trial["loss"], *(word.partition("=")[0] for word in trial["words"])) for trial in swept["trials"]
    )
    assert searched == [
        ("bce", "train.lr", "backbone.l2", "loss.scale"),  # every other trial leaves the weight as it is
        ("bce", "train.lr", "backbone.l2", "loss.scale", "loss.pos_weight"),
        *[("buir", "train.lr", "backbone.l2")] * 2,
    ]
    assert (swept["search"], swept["count"], len(swept["trials"]), len(records())) == ("random", 2, 4, 4)
    result = prepared("train", "--loss", "bce,buir", "--seeds", "2", *words)
    assert result.code == 0, result.err
    assert "4 runs exist" in result.err and len(records()) == 4 + 2
    best = {trial["loss"]: trial["words"] for trial in reversed(swept["trials"])}
    for record in records():
        if record["key"]["seed"] == 1:
            of_run = {key: str(value) for key, value in record["key"]["settings"].items()}
            assert {word: of_run[word.partition("=")[0]] for word in best[record["key"]["loss"]]}.items() == {
                (word, str(float(word.partition("=")[2]))) for word in best[record["key"]["loss"]]
            }


@pytest.mark.parametrize("command", [("train", "--loss"), ("sweep", "--losses")])
def test_what_is_searched_is_not_set(prepared: Run, command: tuple[str, str]) -> None:
    words = ("--backbone", "mf", "--fair", "--trials", "2", "--set", "loss.pos_weight=2")
    result = prepared(*command, "bce", *words)
    assert result.code == 2 and "--fair searches loss.pos_weight on validation; leave it out" in result.err
    assert not records()


def test_what_is_searched_on_a_later_backbone_alone_is_not_set(prepared: Run) -> None:
    words = ("--backbone", "mf,twintower", "--fair", "--trials", "2", "--set", "train.weight_decay=0.1")
    result = prepared("train", "--loss", "bce", *words)
    assert result.code == 2 and "--fair searches train.weight_decay on validation; leave it out" in result.err
    assert not records()


@pytest.mark.parametrize("command", [("train", "--loss"), ("sweep", "--losses")])
def test_fair_searches_the_same_for_every_loss(prepared: Run, command: tuple[str, str]) -> None:
    result = prepared(*command, "bce,bpr", "--fair", "--grid", "bce:lr=0.1,0.2")
    assert result.code == 2
    assert "--fair searches the same for every loss" in result.err


def test_rates_that_the_user_gives_are_searched_and_the_best_of_them_may_lie_at_an_end(prepared: Run) -> None:
    words = ("--fair", "--grid", "lr=1e-6,1e-5,0.05", "--loss", "bpr", "--backbone", "mf", *QUICK)
    result = prepared("train", *words)
    assert result.code == 0, result.err
    assert sorted(record["key"]["settings"]["train.lr"] for record in records()) == [1e-6, 1e-5, 0.05]
    told = "note: bpr: the best train.lr, 0.05, is the largest of 3 tried, and larger ones may be better: widen --grid "
    assert f"{told}train.lr=1e-6,1e-5,0.05" in result.err


def test_lanes_train_what_is_alike_side_by_side(prepared: Run) -> None:
    words = ("train", "--loss", "bce", "--backbone", "mf", "--seeds", "3", *QUICK)
    result = prepared(*words, "--lanes", "3")
    assert (result.code, len(result.out.splitlines())) == (0, 3)
    assert [record["trained_together"] for record in records()] == [3] * 3
    assert "(its share of 3 runs side by side)" in prepared("show", "latest").out
    grid = ("--grid", "lr=0.01,0.02", "--grid", "backbone.dim=4,8")
    swept = prepared("sweep", "--losses", "bce", "--backbone", "mf", *grid, "--epochs", "1", "--lanes", "9", "--json")
    assert swept.code == 0
    counts = sorted(record.get("trained_together", 1) for record in records())
    assert counts == [1, 2, 2, 3, 3, 3]  # one of the four points was there, and one is of another dim than the others
    again = prepared(*words)
    assert again.out == result.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--lanes", "0"), "--lanes 0: expected a whole number from 1 to 1,000"),
        (("--lanes", "many"), "--lanes many: expected a whole number"),
        (("--lanes", "1.5"), "--lanes 1.5: expected a whole number"),
    ],
)
def test_lanes_that_cannot_be(prepared: Run, words: tuple[str, ...], message: str) -> None:
    result = prepared("train", "--loss", "bce", *words)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert message in result.err
    assert not results_home().exists()
