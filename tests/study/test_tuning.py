"""The search of `--fair`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from recbench.errors import TrainingError
from recbench.results.store import Store
from recbench.results.sweeps import Trial
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest
from recbench.study import train_methods as tuning
from recbench.study.launchers.base import LaunchOptions
from recbench.study.sweep import SweepRequest


def request(loss: str, backbone: str) -> TrainRequest:
    return TrainRequest(loss, backbone, "shop", (), (4, 5), ("train.lr=1", "train.epochs=2"), ())


def tuned(requests: list[TrainRequest], folder: Path, trials: int | None = None) -> list[TrainRequest]:
    common = requests[0]
    invocation = Invocation(Store(folder), Console(quiet=True), "")
    return tuning.tuned(requests, common, invocation, LaunchOptions(device="cpu"), trials)


def trial(loss: str, words: list[str], valid: float | None, failed: str = "") -> Trial:
    return Trial(loss, words, ["0" * 12], "auc", valid, None, 1.0, failed)


def test_a_sweep_for_each_backbone_finds_the_rate_of_each_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps = []

    def sweep(request: SweepRequest, *_: Any) -> SimpleNamespace:
        sweeps.append((request.losses, request.common.backbone, request.common.seeds, request.fair))
        rate = {"mf": "0.02", "neumf": "0.1"}[str(request.common.backbone)]
        return SimpleNamespace(trials=[trial(loss, [f"train.lr={rate}"], 0.7) for loss in request.losses])

    monkeypatch.setattr(tuning, "sweep_all", sweep)
    found = tuned([request(loss, backbone) for backbone in ("mf", "neumf") for loss in ("bce", "bpr")], tmp_path)
    assert sweeps == [(("bce", "bpr"), "mf", (4,), True), (("bce", "bpr"), "neumf", (4,), True)]
    assert [(one.loss, one.backbone, one.settings[-1]) for one in found] == [
        ("bce", "mf", "train.lr=0.02"),
        ("bpr", "mf", "train.lr=0.02"),
        ("bce", "neumf", "train.lr=0.1"),
        ("bpr", "neumf", "train.lr=0.1"),
    ]
    assert all(one.seeds == (4, 5) and "train.lr=1" not in one.settings for one in found)


def test_a_method_of_which_every_trial_failed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = trial("bpr", ["train.lr=0.1"], None, "the training diverged")
    monkeypatch.setattr(tuning, "sweep_all", lambda *_: SimpleNamespace(trials=[failed]))
    with pytest.raises(TrainingError, match="bpr × mf: no learning rate works: the training diverged"):
        tuned([request("bpr", "mf")], tmp_path)


def test_with_trials_all_that_was_searched_comes_from_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [trial("bce", ["train.lr=0.3", "loss.pos_weight=5"], 0.7), trial("bce", ["train.lr=0.1"], 0.6)]

    def sweep(request: SweepRequest, *_: Any) -> SimpleNamespace:
        assert (request.trials, request.grid, request.fair) == (7, (), True)
        assert request.completed == {"bce": replace(one, seeds=(4,))}
        return SimpleNamespace(trials=found)

    one = request("bce", "mf")
    monkeypatch.setattr(tuning, "sweep_all", sweep)
    (best,) = tuned([one], tmp_path, 7)
    assert best.settings == ("train.epochs=2", "loss.logit=learned", "train.lr=0.3", "loss.pos_weight=5")
