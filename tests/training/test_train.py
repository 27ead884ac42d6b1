"""One run from its key to its record: alone, interrupted, beside others."""

from __future__ import annotations

import json
import multiprocessing
import random
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch
from filelock import Timeout
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import DataError, UsageError
from recbench.home import results_home
from recbench.preparation.prepare import prepare
from recbench.results.record import RunRecord
from recbench.results.store import Store
from recbench.run import train_command
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest, resumable_plan, resume_last, train_all
from recbench.training import checkpoint
from recbench.training import train as training
from recbench.training.train import locked

SILENT = Console(quiet=True)


def request(loss: str = "bce", *settings: str, seeds: tuple[int, ...] = (0,)) -> TrainRequest:
    words = ("train.epochs=3", "backbone.dim=4", *settings)
    return TrainRequest(loss, "mf", "synthetic/global", (), seeds, words, ())


def train(*arguments: Any, **named: Any) -> RunRecord:
    invocation = Invocation(Store(results_home()), SILENT, "recbench train")
    return train_all(request(*arguments, **named), invocation, "cpu")[0]


@pytest.fixture(autouse=True)
def shop(own_folders: None) -> None:
    prepare("synthetic", rows=1500)


def only(name: str) -> Path:
    (path,) = results_home().rglob(name)
    return path


def test_the_model_that_is_checked_is_the_one_that_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    build, built = training.build, []

    def count(*arguments: Any) -> Any:
        built.append(arguments)
        return build(*arguments)

    monkeypatch.setattr(training, "build", count)
    train(seeds=(0, 1))
    assert len(built) == 2
    with pytest.raises(UsageError, match="gift"):
        train("nsb", "train.select=auc/gift")
    assert "nsb" not in (results_home() / "last-train.json").read_text()


def without_times(record: RunRecord) -> dict[str, Any]:
    content = json.loads(only("record.json").read_text())
    for name in ("seconds", "rows_per_second", "finished", "peak_memory_mib", "sha256"):
        content.pop(name, None)
    for epoch in content["curve"]:
        del epoch["seconds"]
    return dict(content)


@pytest.mark.parametrize("refit", ["true", "false"])
@pytest.mark.parametrize("place", ["_epoch", "_record"])
def test_a_resumed_run_has_the_same_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refit: str, place: str
) -> None:
    words = ("til-ui", f"train.refit={refit}", "train.patience=9")
    expected = without_times(train(*words))
    assert expected["notes"]
    results_home().rename(tmp_path / "uninterrupted")
    method, calls = getattr(training.Training, place), 0

    def interrupted_once(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == (3 if place == "_epoch" else 1):
            raise KeyboardInterrupt
        return method(*arguments)

    monkeypatch.setattr(training.Training, place, interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        train(*words)
    (record,) = resume_last(Store(results_home()), SILENT, "cpu")
    assert without_times(record) == expected


def test_a_refit_looks_up_the_best_epoch_of_the_same_run_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = without_times(train("bce", "train.refit=true"))
    weights = only("weights.safetensors").read_bytes()
    results_home().rename(tmp_path / "alone")
    record = train("bce", "train.refit=false")
    trained = []
    epoch = training.Training._epoch
    monkeypatch.setattr(training.Training, "_epoch", lambda *a: trained.append(a[1]) or epoch(*a))
    again = train("bce", "train.refit=true")
    assert trained == list(range(1, record.best_epoch + 1))
    folder = Store(results_home()).folder(again.key)
    assert (folder / "weights.safetensors").read_bytes() == weights
    assert (again.curve, again.valid, again.slots) == (record.curve, record.valid, alone["slots"])


def test_no_flipped_bit_of_the_progress_changes_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train()
    expected = only("weights.safetensors").read_bytes()
    results_home().rename(tmp_path / "uninterrupted")
    with monkeypatch.context() as patch:
        patch.setattr(training.Training, "_record", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train()
    progress = only("progress.safetensors")
    whole = progress.read_bytes()
    generator = random.Random(1)
    for bit in generator.sample(range(8 * len(whole)), 20):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        progress.write_bytes(flipped)
        try:
            resume_last(Store(results_home()), SILENT, "cpu")
        except DataError as error:
            assert "delete it to train from the first epoch" in str(error) and "\n" not in str(error)
            continue
        assert only("weights.safetensors").read_bytes() == expected
        only("record.json").unlink()


def _interrupt(*arguments: object, **named: object) -> None:
    raise KeyboardInterrupt


def test_progress_of_another_model_is_refused() -> None:
    train()
    folder = only("record.json").parent
    (folder / "record.json").unlink()
    checkpoint.save(folder / "progress.safetensors", {"state": {}, "model": {"backbone": {"x": torch.ones(1)}}})
    with pytest.raises(DataError, match="progress.safetensors: does not fit the run .* delete it to train from"):
        train()


def test_what_killed_processes_left_is_removed() -> None:
    train()
    folder = only("record.json").parent
    (folder / "record.json").unlink()
    for name in (".weights.safetensors.123.tmp", ".record.json.123-abcd.tmp"):
        (folder / name).write_text("half")
    train()
    assert sorted(path.name for path in folder.iterdir()) == ["record.json", "weights.safetensors"]


def test_there_is_nothing_to_resume_before_a_plan_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(results_home())
    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "load", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train()
    assert not resumable_plan(store, "recbench train") and not resumable_plan(store, None)
    with monkeypatch.context() as patch:
        patch.setattr(train_command, "train", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train()
    assert resumable_plan(store, "recbench train") and resumable_plan(store, None)
    assert not resumable_plan(store, "recbench train --loss other")
    train()
    assert not resumable_plan(store, None)


def test_processes_that_train_one_run_get_one_record() -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        digests = pool.map(_train_elsewhere, range(3), chunksize=1)
    assert set(digests) == {only("record.json").read_text()}
    folder = only("record.json").parent
    assert sorted(path.name for path in folder.iterdir()) == ["record.json", "weights.safetensors"]


def _train_elsewhere(number: int) -> str:
    """Train in a process of its own; return the record as it is on disk."""
    train()
    return only("record.json").read_text()


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    results_home().mkdir()
    (results_home() / "runs").write_text("a file in the way")
    with pytest.raises(DataError, match="cannot be written .*; set RECBENCH_RESULTS to a folder that can"):
        train()


def test_who_waited_for_a_lock_holds_the_one_that_others_find(tmp_path: Path) -> None:
    """The file is removed while it is locked; a lock of the removed one would keep nobody out."""
    console, waiting, entered, leave = Console(quiet=True), Event(), Event(), Event()

    def wait() -> None:
        waiting.set()
        with locked(tmp_path, console, wait=True):
            entered.set()
            leave.wait(20)

    with locked(tmp_path, console, wait=True):
        second = Thread(target=wait)
        second.start()
        waiting.wait(20)
        assert not entered.wait(0.1)
    assert entered.wait(20)
    with pytest.raises(Timeout), locked(tmp_path, console, wait=False):
        pass
    leave.set()
    second.join()
    assert not (tmp_path / "lock").exists()
