"""Runs side by side against the same runs alone: records, failures, crashes, early ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
import torch
from rich.console import Console

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import TrainingError
from recbench.gpu import everywhere_as_on_gpu
from recbench.inspect.step_checks import Tapes
from recbench.preparation.prepare import prepare
from recbench.results.record import RunKey, RunRecord
from recbench.results.store import Store
from recbench.run.train_command import TrainRequest, keys_of
from recbench.study.launchers import in_this_process
from recbench.study.launchers.base import Failed, Finished, LaunchOptions, Work, launch
from recbench.training import lanes as module
from recbench.training import side_by_side
from recbench.training.bundling import bundles
from recbench.training.captured_step import CapturedStep
from recbench.training.lanes import Lane, Pass
from recbench.training.model import Model
from recbench.training.random_numbers import RandomNumbers
from recbench.training.side_by_side import SideBySide
from recbench.training.train import Training, train

SILENT = Console(quiet=True)


@pytest.fixture
def shop(own_folders: None) -> Dataset:
    prepare("synthetic", rows=1500)
    return Dataset.load(find_prepared("synthetic"), torch.device("cpu"))


def keys(data: Dataset, loss: str, *words: str, seeds: int = 3, backbone: str = "mf") -> list[RunKey]:
    settings = ("train.epochs=4", "backbone.dim=4", *words)
    return keys_of(TrainRequest(loss, backbone, None, (), tuple(range(seeds)), settings, ()), data, "cpu", {})


def alone(data: Dataset, chosen: Sequence[RunKey], folder: Path) -> list[RunRecord]:
    store = Store(folder)
    return [
        train(Training(key, data.narrow(key.feedback)), store, SILENT, imports=[], command="alone") for key in chosen
    ]


def together(data: Dataset, chosen: Sequence[RunKey], folder: Path, lanes: int = 9, jobs: int = 1) -> list[Finished]:
    """The runs by `--lanes`, in the order of the keys."""
    work = Work(folder, "cpu", (), "together", launch=LaunchOptions(jobs=jobs, lanes=lanes))
    with launch(work, data, SILENT) as launcher:
        finished = {one.key.digest: one for one in launcher(chosen)}
    return [finished[key.digest] for key in chosen]


def check_same(expected: Sequence[RunRecord], found: Sequence[Finished], count: int | None = None) -> None:
    for one, other in zip(expected, found, strict=True):
        assert isinstance(other, RunRecord)
        assert (one.key, one.best_epoch, one.notes) == (other.key, other.best_epoch, other.notes)
        assert [epoch["slots"] for epoch in one.curve] == [epoch["slots"] for epoch in other.curve]
        for name in ("loss", "metric"):
            values = [[epoch[name] for epoch in record.curve] for record in (one, other)]  # type: ignore[literal-required]
            assert values[1] == pytest.approx(values[0], rel=1e-5)
        assert other.trained_together == (len(expected) if count is None else count)


@pytest.mark.parametrize(
    ("loss", "backbone", "words"),
    [
        ("gnolr", "twintower", ()),
        ("listnet", "mf", ()),  # lanes with more batches than others
        ("bpr", "mf", ("train.warmup=1.5", "train.decay=linear", "train.clip=0.01", "train.validate_every=2")),
        ("sgl", "lightgcn", ("loss.drop=0.2",)),  # draws of its own before every epoch
        ("bce", "mf", ("train.refit=true", "backbone.l2=0.01")),
        ("bce", "simplex", ()),  # dropout in every step
    ],
)
def test_each_is_what_it_is_alone(
    shop: Dataset, tmp_path: Path, loss: str, backbone: str, words: tuple[str, ...]
) -> None:
    chosen = keys(shop, loss, *words, backbone=backbone)
    expected = alone(shop, chosen, tmp_path / "alone")
    check_same(expected, together(shop, chosen, tmp_path / "together"))
    left = {path.name for path in (tmp_path / "together").rglob("*") if path.is_file()}
    assert left == {"record.json", "weights.safetensors"}


def test_recorded_steps_see_what_the_start_of_an_epoch_changes(
    shop: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As steps are recorded on a GPU: NCL has terms of clusters from its second epoch on."""
    steps: list[CapturedStep] = []

    def recorded(model: Model, *_: object) -> CapturedStep:
        steps.append(CapturedStep(model, Tapes()))
        return steps[-1]

    words = ("loss.warmup=1", "loss.prototype=0.01", "train.epochs=3", "train.batch_size=64", "train.patience=9")
    chosen = keys(shop, "ncl", *words, seeds=2, backbone="lightgcn")
    with everywhere_as_on_gpu():
        expected = alone(shop, chosen, tmp_path / "alone")
        monkeypatch.setattr(side_by_side, "make_step", recorded)
        check_same(expected, together(shop, chosen, tmp_path / "together"))
    assert [len(step.recorded) for step in steps] == [1]


def test_runs_that_end_early_leave_the_others_and_their_memory(
    shop: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []  # of those before, as others are made
    made: list[ref[SideBySide]] = []

    def noted(models: Sequence[Model], first: Sequence[Batch], random: Sequence[RandomNumbers]) -> SideBySide:
        kept.append(sum(one() is not None for one in made))
        one = SideBySide(models, first, random)
        made.append(ref(one))
        return one

    monkeypatch.setattr(module, "SideBySide", noted)
    rates = [
        keys(shop, "bce", f"train.lr={rate}", "train.epochs=12", "train.patience=1", seeds=2) for rate in (1, 0.01)
    ]
    chosen = [key for pair in rates for key in pair]
    expected = alone(shop, chosen, tmp_path / "alone")
    assert len({record.epochs for record in expected}) > 1
    check_same(expected, together(shop, chosen, tmp_path / "together"))
    assert len(kept) > 1 and not any(kept)


def test_a_loss_that_is_not_finite_ends_one_run_alone(shop: Dataset, tmp_path: Path) -> None:
    words = "train.batch_size=64"
    chosen = [key for rate in ("1e30", "0.01") for key in keys(shop, "bpr", words, f"train.lr={rate}", seeds=2)]
    *failed, one, other = together(shop, chosen, tmp_path / "together")
    for run in failed:
        with pytest.raises(TrainingError, match="the loss became .* at step .* of epoch 1; try a lower") as raised:
            alone(shop, [run.key], tmp_path / "alone")
        assert run == Failed(run.key, str(raised.value))
    check_same(alone(shop, chosen[2:], tmp_path / "alone"), [one, other], count=4)


@pytest.mark.parametrize("epoch", [2, 3])
def test_after_a_crash_each_goes_on_from_its_last_epoch(
    shop: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    chosen = keys(shop, "gnolr", "train.patience=9")
    expected = alone(shop, chosen, tmp_path / "alone")
    save, saved = Training.save_progress, 0

    def interrupted(run: Training, folder: Path) -> None:
        nonlocal saved
        saved += 1
        if saved == 3 * (epoch - 1) + 2:  # one run has a checkpoint of this epoch, the others of the one before
            raise KeyboardInterrupt
        save(run, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "save_progress", interrupted)
        with pytest.raises(KeyboardInterrupt):
            together(shop, chosen, tmp_path / "together")
    assert not list((tmp_path / "together").rglob("record.json"))
    passes: list[tuple[int, int]] = []

    def counted(one: Pass, lane: Lane, number: int) -> None:
        passes.append((lane.key.seed, number))
        start(one, lane, number)

    start = Pass.__init__
    monkeypatch.setattr(Pass, "__init__", counted)
    check_same(expected, together(shop, chosen, tmp_path / "together"))
    assert sorted(passes) == [(seed, number) for seed in range(3) for number in range(epoch + (seed == 0), 5)]


def test_runs_of_a_group_may_go_on_alone(shop: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = keys(shop, "bce", "train.patience=9", seeds=2)
    expected = alone(shop, chosen, tmp_path / "alone")
    with monkeypatch.context() as patch:
        patch.setattr(module.Group, "train_until_validation", _once_then_interrupt(module.Group.train_until_validation))
        with pytest.raises(KeyboardInterrupt):
            together(shop, chosen, tmp_path / "together")
    check_same(expected, alone(shop, chosen, tmp_path / "together"))


def _once_then_interrupt(method: Any) -> Any:
    def once(group: module.Group, silent: Console) -> None:
        if group.lanes[0].epochs == 1:
            raise KeyboardInterrupt
        method(group, silent)

    return once


def test_an_error_of_one_run_is_its_own(shop: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validate = Training.validate

    def fails_once(run: Training, *arguments: Any) -> None:
        if run.key.seed == 1 and run.state.epochs == 1:
            raise TrainingError("a validation score is not finite")
        validate(run, *arguments)

    monkeypatch.setattr(Training, "validate", fails_once)
    first, second, third = together(shop, keys(shop, "bce"), tmp_path / "together")
    assert second == Failed(second.key, "a validation score is not finite")
    assert isinstance(first, RunRecord) and isinstance(third, RunRecord)


def test_what_cannot_train_side_by_side_trains_alone(
    shop: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = keys(shop, "til-ui", seeds=2)
    work = Work(tmp_path / "together", "cpu", (), "together", launch=LaunchOptions(lanes=2))
    console = Console(force_terminal=False, width=200)
    with launch(work, shop, console) as launcher:
        found = sorted(launcher(chosen), key=lambda run: run.key.seed)
    check_same(alone(shop, chosen, tmp_path / "alone"), found, count=1)
    assert "2 runs of til-ui × mf one after the other: loss `til-ui` makes steps of its own" in capsys.readouterr().out


def test_where_not_even_a_step_has_the_memory_each_run_says_so_itself(
    shop: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(in_this_process, "most_in_memory", fails)
    monkeypatch.setattr(Model, "update", fails)
    found = together(shop, keys(shop, "bce", seeds=2), tmp_path)
    assert [run for run in found if not isinstance(run, Failed)] == []
    assert ["out of memory" in str(run) for run in found] == [True, True]


def test_processes_have_lanes_too(shop: Dataset, tmp_path: Path) -> None:
    chosen = keys(shop, "bce", seeds=4)
    check_same(alone(shop, chosen, tmp_path / "alone"), together(shop, chosen, tmp_path / "two", jobs=2), count=2)


def test_bundles_hold_what_may_be_alike(shop: Dataset) -> None:
    bce = [key for rate in (0.1, 0.01) for key in keys(shop, "bce", f"train.lr={rate}", "backbone.l2=0.1")]
    decayed = keys(shop, "bce", "train.weight_decay=0.1", "backbone.l2=0.2")
    others = [*keys(shop, "bce"), *keys(shop, "bce", "backbone.dim=8"), *keys(shop, "bpr")]
    found = bundles([*bce, *others, *decayed], 99)
    assert sorted(map(len, found)) == [3, 3, 3, 9]
    assert {key.digest for bundle in found for key in bundle} == {key.digest for key in [*bce, *others, *decayed]}
    assert [len(bundle) for bundle in bundles(bce, 4)] == [4, 2]
    alternating = [key for pair in zip(bce[:3], bce[3:], strict=True) for key in pair]
    (bundle,) = bundles(alternating, 99)
    assert [key.settings["train.lr"] for key in bundle] == [0.01] * 3 + [0.1] * 3


def test_the_record_says_how_many_trained_together(shop: Dataset, tmp_path: Path) -> None:
    chosen = keys(shop, "bce", seeds=2)
    (first, _) = together(shop, chosen, tmp_path / "together")
    content = json.loads((Store(tmp_path / "together").folder(first.key) / "record.json").read_text())
    assert (content["schema"], content["trained_together"]) == (2, 2)
    (single,) = alone(shop, chosen[:1], tmp_path / "alone")
    content = json.loads((Store(tmp_path / "alone").folder(single.key) / "record.json").read_text())
    assert content["schema"] == 1 and "trained_together" not in content
    assert single.trained_together == 1
