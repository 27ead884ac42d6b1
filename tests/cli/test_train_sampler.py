"""Training on other slates than the loss's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recbench.home import results_home
from recbench.training import train as training
from tests.conftest import Run

WORDS = ("train", "--loss", "bpr", "--backbone", "mf", "--epochs", "2", "--set", "backbone.dim=4")


def records() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in results_home().rglob("record.json")]


def test_a_sampler_is_recorded_shown_and_replayed(prepared: Run, tmp_path: Path) -> None:
    assert prepared(*WORDS).code == 0
    assert prepared(*WORDS, "--sampler", "adaptive", "--set", "sampler.share=0.1").code == 0
    own, chosen = sorted((record["key"]["settings"] for record in records()), key=len)
    assert not [name for name in own if name.startswith("sampler.")]
    assert chosen == {**own, "sampler.name": "adaptive", "sampler.negatives": 1, "sampler.share": 0.1}
    assert prepared("eval", "--run", "all", "--metric", "auc", "--no-baselines").code == 0
    shown = {row["settings"] for row in prepared("leaderboard", "--json").json}
    assert any("sampler=adaptive, share=0.1" in words for words in shown)
    compared = prepared("compare", *(path.parent.name[-12:] for path in results_home().rglob("record.json")))
    assert "bpr × mf sampler=adaptive" in compared.out
    (digest,) = (path.parent.name for path in results_home().rglob("record.json") if "adaptive" in path.read_text())
    assert prepared("pack", digest[-12:], "-o", str(tmp_path / "run.json")).code == 0
    replayed = prepared("replay", str(tmp_path / "run.json"), "--json", "--tolerance", "0")
    assert replayed.code == 0, replayed.err


def test_an_interrupted_run_goes_on_with_its_sampler(
    prepared: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*WORDS, "--sampler", "clusters", "--set", "sampler.clusters=5", "--set", "train.patience=9")
    assert prepared(*words).code == 0
    (expected,) = records()
    results_home().rename(tmp_path / "uninterrupted")
    epoch = training.Training._epoch

    def fail_on_second(self: training.Training, number: int, display: Any) -> object:
        if number == 2:
            raise KeyboardInterrupt
        return epoch(self, number, display)

    with monkeypatch.context() as patch:
        patch.setattr(training.Training, "_epoch", fail_on_second)
        assert prepared(*words).code == 130
    assert prepared("train", "--resume").code == 0
    (resumed,) = records()
    assert resumed["key"] == expected["key"]
    assert [line["loss"] for line in resumed["curve"]] == [line["loss"] for line in expected["curve"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sampler", "popular"), "unknown sampler `popular`; did you mean `popularity`?"),
        (("--set", "sampler.beta=1"), "Add --sampler NAME"),
        (("--sampler", "uniform", "--set", "sampler.name=rows"), "is set by `--sampler uniform` too"),
        (
            ("--sampler", "uniform", "--set", "loss.negatives=4"),
            "loss.negatives is a setting of the slates of loss `bpr`",
        ),
        (
            ("--sampler", "in-batch"),
            "needs a positive in the first slot of each slate, which the slates `in-batch` do not",
        ),
        (("--sampler", "adaptive", "--backbone=neumf"), "choose another backbone or sampler"),
        (("--sampler", "popularity", "--loss=wbpr"), "loss `wbpr` is defined by its own slates"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    prepared: Run, words: tuple[str, ...], message: str
) -> None:
    given = {word.partition("=")[0] for word in words if "=" in word}
    usual = {"--loss": "bpr", "--backbone": "mf"}
    refused = prepared("train", *(f"{name}={value}" for name, value in usual.items() if name not in given), *words)
    assert refused.code == 2
    assert message in refused.err
    assert not results_home().exists() or not list(results_home().rglob("*.json"))


def test_samplers_are_listed_with_the_losses_that_take_them(run: Run) -> None:
    listed = {item["name"]: item for item in run("list", "samplers", "--json").json}
    assert set(listed) == {
        "adaptive",
        "catalogue",
        "catalogue-rows",
        "clusters",
        "impressions",
        "in-batch",
        "lists",
        "mixed",
        "pool",
        "popularity",
        "rows",
        "shared",
        "uniform",
    }
    assert listed["popularity"]["settings"] == {"negatives": 1, "beta": 1.0}
    assert "bpr" in listed["popularity"]["losses"] and "wbpr" not in listed["popularity"]["losses"]
    assert "vectors" in listed["adaptive"]["needs of the backbone"]
