"""`recbench sweep`, as a user types it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from recbench.errors import TrainingError
from recbench.home import results_home
from recbench.results.store import Store
from recbench.results.sweeps import find
from recbench.study.launchers import in_this_process
from tests.conftest import Run

SWEEP = ("sweep", "--losses", "gnolr,bce", "--backbone", "mf", "--set", "train.epochs=1", "--set", "backbone.dim=4")


@pytest.fixture
def prepared(run: Run, small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same, where a small log is prepared."""
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    return run


def test_trials_that_validation_passed_over_stay_closed_unless_they_are_named(prepared: Run) -> None:
    words = ("--backbone", "mf", "--epochs", "1", "--set", "backbone.dim=4")
    swept = prepared("sweep", "--losses", "bpr", "--grid", "lr=0.001,0.05,0.3", *words, "--json")
    assert swept.code == 0, swept.err
    told = prepared("eval", "--run", "bpr", "--metric", "auc", "--no-baselines", "--json")
    assert len(told.json) == 1 and "bpr: without 2 trials of sweeps that were not the best on validation" in told.err
    *others, chosen = sorted((run.valid, run.key.digest) for run, _ in Store(results_home()).runs())
    assert told.json[0]["run"] == chosen[1]
    named = prepared("eval", "--run", others[0][1], "--metric", "auc", "--no-baselines", "--json")
    assert [row["run"] for row in named.json] == [others[0][1]]
    again = prepared("eval", "--run", "bpr", "--metric", "auc", "--no-baselines", "--json")
    assert {row["run"] for row in again.json} == {chosen[1], others[0][1]}  # what is open is not hidden


def test_the_commands_it_ends_with_train_what_it_found(prepared: Run) -> None:
    result = prepared(*SWEEP, "--grid", "lr=0.01,0.1", "--grid", "gnolr:loss.scale=1,3")
    assert result.code == 0
    assert "gnolr × mf on synthetic/global" in result.out
    assert "sweep on synthetic/global: gnolr (4 points), bce (2 points), 6 runs" in result.err
    gnolr, bce = (shlex.split(line) for line in result.out.splitlines() if line.startswith("recbench train"))
    assert gnolr[-2:] == bce[-2:] == ["--seeds", "5"]
    for words in (gnolr, bce):
        trained = prepared(*words[1:])
        assert trained.code == 0
        assert trained.err.count("not trained again") == 1  # the sweep's own seed
        assert len(trained.out.splitlines()) == 5


def test_json_is_what_is_recorded(prepared: Run) -> None:
    words = (*SWEEP, "--grid", "lr=0.01..0.1", "--search", "random", "--trials", "2", "--seeds", "2", "--json")
    found = prepared(*words).json
    assert len(found["trials"]) == 4
    assert all(len(trial["runs"]) == 2 for trial in found["trials"])
    recorded = json.loads((results_home() / "sweeps" / f"{found['sweep']}.json").read_text())
    assert len(recorded.pop("sha256")) == 64
    assert recorded == {name: value for name, value in found.items() if name != "sweep"}
    assert find(Store(results_home()), found["sweep"]).best == found["best"]
    again = prepared(*words)
    assert "8 runs exist and are not trained again" in again.err
    assert again.json["trials"] == found["trials"]


def test_trials_that_fail_make_exit_code_1(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    train = in_this_process.train

    def fail(run: in_this_process.Training, *arguments: object, **named: object) -> object:
        if run.key.settings["train.lr"] == 0.1:
            raise TrainingError("the loss became nan")
        return train(run, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(in_this_process, "train", fail)
    result = prepared(*SWEEP, "--grid", "lr=0.01,0.1")
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("error: 2 of 4 trials failed")
    assert result.out.count("1 failed: the loss became nan") == 2
    assert result.out.count("recbench train") == 2


def test_interrupted(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(in_this_process, "train", stop)
    result = prepared(*SWEEP, "--grid", "lr=0.01,0.1")
    assert result.code == 130
    assert "stopped after 0 of 4 runs; type the same command to continue" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--grid", "loss.alpha=1,2"), "unknown setting `loss.alpha` of gnolr × mf"),
        (
            ("--grid", "loss.pos_weight=1,2"),
            "loss `gnolr` has no loss.pos_weight; search it for the losses that have it",
        ),
        (("--grid", "lr=1..0", "--search", "random"), "expected numbers on both sides of `..`, the smaller first"),
        (("--grid", "lr=0.1..1"), "a range needs --search random or optuna"),
        ((), "--grid: nothing to search"),
        (("--grid", "lr=1", "--trials", "0"), "--trials"),
        (("--grid", "lr=1", "--jobs", "0"), "--jobs"),
        (("--grid", "lr=1", "--search", "brute"), "brute"),
        (("--grid", "lr=1", "--preset", "gnolr/ml1m"), "unknown preset `gnolr/ml1m`; did you mean `gnolr/ml-1m`"),
        (("--grid", "lr=1", "--device", "tpu"), "--device tpu: expected auto, cpu, cuda"),
        (("--grid", "lr=1", "--feedback", "view,buy"), "loss `bce` trains on one feedback"),
    ],
)
def test_what_cannot_be_meant(prepared: Run, words: tuple[str, ...], message: str) -> None:
    result = prepared(*SWEEP, *words)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert message in result.err
    assert not list(results_home().rglob("*.json"))


def test_no_losses(prepared: Run) -> None:
    assert "--losses" in prepared("sweep", "--grid", "lr=1").err
    assert "`,`: a name is missing beside a comma" in prepared("sweep", "--losses", ",", "--grid", "lr=1").err


def test_help(run: Run) -> None:
    result = run("sweep", "--help")
    assert result.code == 0
    assert "Search settings on validation" in result.out
