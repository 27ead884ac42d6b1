"""Validation every few epochs: the same training, looked at less often."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recbench.home import results_home
from recbench.training import train as training
from tests.conftest import Run

BPR = ("train", "--loss", "bpr", "--backbone", "mf")
WORDS = (*BPR, "--epochs", "5", "--set", "train.patience=5")
EVERY_SECOND = ("--set", "train.validate_every=2")
SELDOM = (*WORDS, *EVERY_SECOND)


def records() -> dict[int, Any]:
    """Epochs between validations → record."""
    found = [json.loads(path.read_text()) for path in results_home().rglob("record.json")]
    return {record["key"]["settings"].get("train.validate_every", 1): record for record in found}


def test_the_same_numbers_at_fewer_epochs(prepared: Run) -> None:
    assert prepared(*WORDS).code == 0
    told = prepared(*SELDOM)
    assert told.code == 0 and "of 5" in told.out
    always, seldom = records()[1], records()[2]
    assert "train.validate_every" not in always["key"]["settings"]
    assert [epoch["epoch"] for epoch in seldom["curve"]] == [2, 4, 5]
    for epoch in seldom["curve"]:
        same = always["curve"][epoch["epoch"] - 1]
        assert [epoch[name] for name in ("loss", "metric", "slots")] == [
            same[name] for name in ("loss", "metric", "slots")
        ]
    best = max(seldom["curve"], key=lambda epoch: epoch["metric"])
    assert (seldom["best_epoch"], seldom["valid"]) == (best["epoch"], best["metric"])


def test_patience_counts_epochs(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.Validation, "__call__", lambda self, model, tables: 0.5)
    assert prepared(*BPR, *EVERY_SECOND, "--epochs", "40", "--set", "train.patience=3").code == 0
    assert [epoch["epoch"] for epoch in records()[2]["curve"]] == [2, 4, 6]  # 2 is best; 4 is 2 epochs later, 6 is 4


def test_goes_on_after_the_last_validation(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepared(*SELDOM).code == 0
    expected = records()[2]["curve"]
    next(results_home().rglob("record.json")).parent.rename(results_home().parent / "uninterrupted")
    epoch = training.Training._epoch

    def stop_in_the_fourth(*arguments: Any) -> Any:
        if arguments[1] == 4:
            raise KeyboardInterrupt
        return epoch(*arguments)

    monkeypatch.setattr(training.Training, "_epoch", stop_in_the_fourth)
    assert prepared(*SELDOM).code == 130
    monkeypatch.setattr(training.Training, "_epoch", epoch)
    resumed = prepared("train", "--resume")
    assert resumed.code == 0 and "resuming after epoch 2" in resumed.err
    again = records()[2]["curve"]
    assert [(e["epoch"], e["loss"], e["metric"]) for e in again] == [
        (e["epoch"], e["loss"], e["metric"]) for e in expected
    ]


def test_never_is_refused(prepared: Run) -> None:
    told = prepared(*WORDS, "--set", "train.validate_every=0")
    assert told.code == 2 and "train.validate_every=0: expected a whole number of at least 1" in told.err
