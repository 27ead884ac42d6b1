"""A run that was interrupted ends in the same bits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from recbench.home import results_home
from recbench.training import train as training
from tests.conftest import Run, forget_imports


def outcome(root: Path) -> tuple[bytes, object, object]:
    """Weights and learning curve of the only run, without its times."""
    record = json.loads(next(root.rglob("record.json")).read_text())
    curve = [(line["loss"], line["metric"], line["slots"]) for line in record["curve"]]
    return next(root.rglob("weights.safetensors")).read_bytes(), curve, record["best_epoch"]


@pytest.mark.parametrize("refit", ["false", "true"])
@pytest.mark.parametrize(
    ("loss", "backbone"), [("gnolr", "twintower"), ("buir", "lightgcn"), ("bpr", "mf"), ("listnet", "mf")]
)
def test_interrupted_at_an_epoch(
    prepared: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str, backbone: str, refit: str
) -> None:
    words = ("train", "--loss", loss, "--backbone", backbone, "--epochs", "3", "--set", f"train.refit={refit}")
    assert prepared(*words).code == 0
    expected = outcome(results_home())
    results_home().rename(tmp_path / "uninterrupted")

    epoch, calls = training.Training._epoch, 0

    def fail_on_third(*arguments: Any) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return epoch(*arguments)

    monkeypatch.setattr(training.Training, "_epoch", fail_on_third)
    stopped = prepared(*words)
    assert stopped.code == 130
    assert "recbench train --resume" in stopped.err
    assert not list(results_home().rglob("record.json"))
    resumed = prepared("train", "--resume")
    assert resumed.code == 0
    assert "resuming after epoch 2" in resumed.err
    assert outcome(results_home()) == expected
    assert "nothing to resume" in prepared("train", "--resume").err


def test_seeds_left_over_are_trained_too(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    train = training.train
    monkeypatch.setattr("recbench.run.train_command.train", _raise_for_seed(1, train))
    assert prepared("train", "--loss", "bce", "--backbone", "mf", "--seeds", "3", "--epochs", "1").code == 130
    assert len(list(results_home().rglob("record.json"))) == 1
    monkeypatch.setattr("recbench.run.train_command.train", train)
    assert "2 of 3 runs to finish" in prepared("train", "--resume").err
    assert len(list(results_home().rglob("record.json"))) == 3


def _raise_for_seed(seed: int, train: object) -> object:
    def stop(run: training.Training, *arguments: object, **named: object) -> object:
        if run.key.seed == seed:
            raise KeyboardInterrupt
        return train(run, *arguments, **named)  # type: ignore[operator]

    return stop


@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_from_outside(prepared: Run, tmp_path: Path, killer: signal.Signals) -> None:
    words = ["train", "--loss", "gnolr", "--backbone", "mf", "--epochs", "6", "--set", "train.patience=9"]
    assert prepared(*words).code == 0
    expected = outcome(results_home())
    results_home().rename(tmp_path / "uninterrupted")

    command = [sys.executable, "-c", "from recbench.cli import entry; entry()", *words]
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(results_home().rglob("progress.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(killer)
    _, printed = process.communicate(timeout=60)
    assert process.returncode in (-killer, 130)
    assert b"Traceback" not in printed
    assert prepared("train", "--resume").code == 0
    assert outcome(results_home()) == expected


def test_a_changed_import_is_not_resumed(prepared: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.py"
    source = (
        "from recbench.losses.base import LOSSES\nfrom recbench.losses.bce import BCE\n\n\n"
        '@LOSSES.add("mine")\nclass Mine(BCE):\n    """Mine (2026)."""\n'
    )
    file.write_text(source)
    with monkeypatch.context() as patch:
        patch.setattr("recbench.run.train_command.train", _raise_for_seed(0, training.train))
        stopped = prepared("train", "--import", str(file), "--loss", "mine", "--backbone", "mf")
    assert stopped.code == 130
    assert f"`recbench train --resume --import {file}` continues" in stopped.err
    file.write_text(source + "\nCHANGED = True\n")
    forget_imports()
    assert "add --import" in prepared("train", "--resume").err
    result = prepared("train", "--resume", "--trust")
    assert result.code == 1
    assert "mine.py has changed since the run began" in result.err


def test_a_run_goes_on_where_it_began(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("recbench.run.train_command.train", _raise_for_seed(0, training.train))
        assert prepared("train", "--loss", "bce", "--backbone", "mf").code == 130
    monkeypatch.setattr("recbench.run.train_command.pick_device", lambda word: torch.device("cuda"))
    result = prepared("train", "--resume", "--device", "cuda")
    assert result.code == 2
    assert "the run began on cpu" in result.err
