"""Training on several ranks against one process: processes of their own, over gloo, on data in memory."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from rich.console import Console
from torch import Tensor, multiprocessing, nn

from recbench.backbones.base import BACKBONES
from recbench.backbones.base import defaults as backbone_defaults
from recbench.batch import Batch
from recbench.data.toy import toy
from recbench.errors import TrainingError
from recbench.home import prepared_home, results_home
from recbench.losses.base import LOSSES, defaults
from recbench.results.record import RunRecord
from recbench.results.store import Store
from recbench.run.train_command import TrainRequest, train_all
from recbench.training import checkpoint
from recbench.training import train as training
from recbench.training.model import Model, build
from recbench.training.ranks import Ranks, current
from recbench.training.schedule import Schedule
from recbench.training.shared_training import check_agreement, share_out, why_not

needs_gloo = pytest.mark.skipif(not dist.is_gloo_available(), reason="torch was built without gloo")

# Rows, triplets with a penalty, lists with masks, slates that all share, uniformity over the batch, pairs that are no
# inner product, windows of histories, features, a graph, views of it, and strategies over several kinds of feedback.
METHODS: list[tuple[str, str, dict[str, Any]]] = [
    ("gnolr", "twintower", {}),
    ("bpr", "mf", {"backbone.l2": 0.1, "backbone.l2_form": "norms"}),
    ("jrc", "mf", {"loss.pos_weight": 3.0}),
    ("softmax", "ytdnn", {"loss.source": "batch"}),
    ("bsl", "mf", {"backbone.l2": 0.1, "backbone.l2_of": "tables"}),
    ("directau", "mf", {}),
    ("bce", "neumf", {}),
    ("bpr", "sasrec", {"backbone.dropout": 0.0}),
    ("bpr", "lightgcn", {}),
    ("simgcl", "lightgcn", {}),
    ("ssl", "twintower", {}),
    ("ultragcn", "mf", {}),
    ("nsb", "mf", {"loss.balance": "gradnorm", "loss.balance.alpha": 1.5, "loss.balance.at": "vectors"}),
]


def model(loss: str, backbone: str, given: dict[str, Any]) -> Model:
    values: dict[str, Any] = {f"loss.{key}": value for key, value in defaults(LOSSES.get(loss)).items()}
    values |= {f"backbone.{key}": value for key, value in backbone_defaults(BACKBONES.get(backbone)).items()}
    values |= given
    if values.get("loss.balance") == "sum":
        del values["loss.balance"]
    return build(data(loss), loss, backbone, values, seed=0, schedule=Schedule())


def data(loss: str) -> Any:
    return toy(tasks=2 if LOSSES.get(loss).multitask else 1)


def batches(made: Model, loss: str) -> list[Batch]:
    rows = made.backbone.sequences(data(loss))
    found = made.loss.sampler.batches(rows, 7, torch.Generator().manual_seed(1))
    return [batch for batch, _ in zip(found, range(3), strict=False)]


def gradients(made: Model, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the objective of a batch and its gradients, the same random numbers drawn whenever it is called."""
    torch.manual_seed(5)
    made.optimizer.zero_grad()
    value = made.loss.objective(made.backbone, batch)
    value.backward()  # type: ignore[no-untyped-call]
    named = nn.ModuleDict({"backbone": made.backbone, "loss": made.loss}).named_parameters()
    return value.detach(), {name: p.grad.clone() for name, p in named if p.grad is not None}


def spawn(work: Callable[..., None], size: int, folder: Path, *arguments: object) -> None:
    """Let processes of their own do the work, each with its ranks and the arguments."""
    multiprocessing.spawn(started, args=(work, size, str(folder / "store"), arguments), nprocs=size)


def started(rank: int, work: Callable[..., None], size: int, store: str, arguments: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
    work(current(), *arguments)
    dist.destroy_process_group()


def compare_with_one_process(ranks: Ranks) -> None:
    for loss, backbone, given in METHODS:
        alone, together = (model(loss, backbone, given) for _ in range(2))
        assert why_not(together, data(loss)) is None
        share_out(together, ranks)
        for made in (alone, together):
            torch.manual_seed(3)
            made.start_epoch(1)
        for batch in batches(alone, loss):
            expected, each = gradients(alone, batch)
            value, found = gradients(together, batch)
            torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6, msg=f"{loss} × {backbone}")
            assert found.keys() == each.keys()
            for name, gradient in each.items():
                largest = float(gradient.abs().max())
                torch.testing.assert_close(found[name], gradient, rtol=0, atol=1e-4 * largest + 1e-7, msg=name)


@needs_gloo
def test_three_ranks_have_the_losses_and_the_gradients_of_one_process(tmp_path: Path) -> None:
    """Of seven rows a rank has three, three and one."""
    spawn(compare_with_one_process, 3, tmp_path)


@pytest.mark.parametrize(
    ("loss", "backbone", "given", "reason"),
    [
        ("til-ui", "mf", {}, "loss `til-ui` makes steps of its own"),
        ("bce", "sasrec", {"backbone.dropout": 0.2}, "backbone `sasrec` draws numbers.*set backbone.dropout=0"),
        ("nsb", "mf", {"loss.balance": "gradnorm", "loss.balance.alpha": 1.5, "loss.balance.at": "parameters"}, "at="),
    ],
)
def test_what_cannot_be_shared_out_is_refused(loss: str, backbone: str, given: dict[str, Any], reason: str) -> None:
    random = torch.get_rng_state()
    made = model(loss, backbone, given)
    state = torch.get_rng_state()
    why = why_not(made, data(loss))
    assert why is not None
    assert re.search(reason, why)
    assert torch.equal(torch.get_rng_state(), state)
    torch.set_rng_state(random)


def train(ranks: Ranks, loss: str = "gnolr", backbone: str = "twintower") -> RunRecord:
    words = ("train.epochs=4", "train.batch_size=500", "train.optimizer=sgd")
    request = TrainRequest(loss, backbone, "synthetic/global", (), (0,), words, ())
    return train_all(request, Store(results_home()), Console(quiet=True), "cpu", "recbench train")[0]


def train_twice(ranks: Ranks, folder: Path) -> None:
    """Train a run as it is, and in another folder once interrupted in its third epoch."""
    os.environ["RECBENCH_RESULTS"] = str(folder / "undisturbed")
    train(ranks)
    os.environ["RECBENCH_RESULTS"] = str(folder / "disturbed")
    usual = training.train_epoch

    def train_epoch(*arguments: Any) -> Any:
        if arguments[4] == 3:
            raise KeyboardInterrupt
        return usual(*arguments)

    training.train_epoch = train_epoch
    with pytest.raises(KeyboardInterrupt):
        train(ranks)
    training.train_epoch = usual
    torch.manual_seed(9)  # which the checkpoint replaces
    train(ranks)


@needs_gloo
def test_two_ranks_train_the_run_of_one_process_and_resume_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, medium_home: Path
) -> None:
    shutil.copytree(medium_home / "prepared", prepared_home())
    monkeypatch.setenv("RECBENCH_RESULTS", str(tmp_path / "alone"))
    alone = train(Ranks())
    spawn(train_twice, 2, tmp_path, tmp_path)
    records, weights = [], []
    for name in ("undisturbed", "disturbed"):
        ((record, _),) = Store(tmp_path / name).runs()
        records.append(record)
        weights.append(checkpoint.load(Store(tmp_path / name).folder(record.key) / "weights.safetensors")["backbone"])
        assert record.key == alone.key
        assert record.best_epoch == alone.best_epoch
        for one, two in zip(alone.curve, record.curve, strict=True):
            assert one["loss"] == pytest.approx(two["loss"], abs=1e-5)
            assert one["slots"] == two["slots"]
        assert "2 processes" in record.notes[-1]
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())
    assert alone.notes == records[0].notes[:-1]


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 7, 8])
def test_the_shares_of_all_ranks_are_the_whole(rows: int) -> None:
    whole = torch.arange(2 * rows).view(rows, 2)
    shares = [Ranks(rank, 3).own(whole) for rank in range(3)]
    assert len({len(share) for share in shares}) == 1
    assert torch.equal(torch.cat(shares)[:rows], whole)


def test_ranks_that_drift_apart_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ranks, "all_of", lambda self, value: [value, 0.7])
    check_agreement(Ranks(0, 2), 0.70000001, 4)
    with pytest.raises(TrainingError, match="different losses in epoch 4, from 0.6 to 0.7"):
        check_agreement(Ranks(0, 2), 0.6, 4)
