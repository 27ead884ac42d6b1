"""The optimisers by their formulas, and a run that resumes with any of them."""

from __future__ import annotations

import json
import subprocess
import sys
from math import cos, pi
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from recbench.data.dataset import Dataset
from recbench.data.toy import toy as make_toy
from recbench.errors import UsageError
from recbench.home import results_home
from recbench.losses import base
from recbench.losses.base import LOSSES, Loss
from recbench.preparation.prepare import prepare
from recbench.results.record import RunRecord
from recbench.results.store import Store
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest, resume_last, train_all
from recbench.training import train as training
from recbench.training.model import Model, build
from recbench.training.row_updates import AdamRule
from recbench.training.schedule import Schedule

SILENT = Console(quiet=True)
OPTIMIZERS = ["adam", "adamw", "sgd", "adagrad"]


def view() -> Dataset:
    return make_toy().narrow(["view"])


def model(loss: str, schedule: Schedule, backbone: str = "mf") -> Model:
    values = {f"loss.{key}": value for key, value in base.defaults(LOSSES.get(loss)).items()}
    made = build(view(), loss, backbone, values | {"backbone.dim": 4}, seed=0, schedule=schedule)
    made.start_epoch(1)
    return made


def steps(made: Model, count: int) -> list[list[tuple[Tensor, Tensor, Tensor]]]:
    """Make steps; return of each the weights before, the gradients and the weights after, of every parameter."""
    made.backbone.train()
    parameters = [p for group in made.optimizer.param_groups for p in group["params"]]
    batches = made.loss.sampler.batches(view(), 64, torch.Generator().manual_seed(0))
    result = []
    for _, batch in zip(range(count), batches, strict=False):
        before = [p.detach().double() for p in parameters]
        made.loss.step(made.backbone, batch, made.optimizer)
        trained = [(old, p) for old, p in zip(before, parameters, strict=True) if p.grad is not None]
        result.append([(old, _gradient(p), p.detach().double()) for old, p in trained])
    return result


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.double()


def by_formula(name: str, weight: Tensor, gradients: list[Tensor], lr: float, decay: float) -> list[Tensor]:
    """The weights after each step, written out: Kingma & Ba 2015; Loshchilov & Hutter 2019; Duchi et al. 2011."""
    first = second = torch.zeros_like(weight)
    result = []
    for step, gradient in enumerate(gradients, 1):
        if name == "adamw":
            weight = weight * (1 - lr * decay)
        else:
            gradient = gradient + decay * weight
        if name == "sgd":
            weight = weight - lr * gradient
        elif name == "adagrad":
            second = second + gradient**2
            weight = weight - lr * gradient / (second.sqrt() + 1e-10)
        else:
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            rate = lr / (1 - 0.9**step)
            weight = weight - rate * first / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        result.append(weight)
    return result


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_first_steps_by_formula(name: Any, decay: float) -> None:
    done = steps(model("bpr", Schedule(lr=0.05, optimizer=name, weight_decay=decay)), 3)
    for parts in zip(*done, strict=True):
        expected = by_formula(name, parts[0][0], [gradient for _, gradient, _ in parts], 0.05, decay)
        for (_, _, after), value in zip(parts, expected, strict=True):
            torch.testing.assert_close(after, value, rtol=1e-4, atol=1e-6)
        assert not torch.equal(parts[0][0], parts[0][2])


@pytest.mark.parametrize("loss", ["bpr", "til-ui", "buir"])
def test_gradients_are_clipped_to_a_norm(loss: str) -> None:
    free, clipped = (steps(model(loss, Schedule(clip=clip)), 1)[0] for clip in (0.0, 0.01))
    tables = 2  # the groups of til-ui are clipped apart: those of the backbone come first
    norm = torch.stack([gradient.norm() for _, gradient, _ in (free[:tables] if loss == "til-ui" else free)]).norm()
    assert norm > 0.01
    for (_, gradient, _), (_, smaller, _) in list(zip(free, clipped, strict=True))[:tables]:
        torch.testing.assert_close(smaller, gradient * (0.01 / norm), rtol=1e-3, atol=1e-9)


def test_gradients_below_the_norm_stay_as_they_are() -> None:
    free, clipped = (steps(model("bpr", Schedule(clip=clip)), 1)[0] for clip in (0.0, 1e6))
    assert all(torch.equal(one, other) for (_, _, one), (_, _, other) in zip(free, clipped, strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("loss", ["til-ui", "til-mi", "buir", "aobpr", "pris", "gnolr"])
def test_losses_with_steps_of_their_own_work_or_refuse(loss: str, name: Any) -> None:
    schedule = Schedule(optimizer=name, weight_decay=0.01, clip=1.0)
    if loss.startswith("til") and name == "sgd":
        expected = f"^train.optimizer=sgd: loss `{loss}` can be trained with adam, adamw, adagrad alone$"
        with pytest.raises(UsageError, match=expected):
            model(loss, schedule)
        return
    for old, _, new in steps(model(loss, schedule), 2)[-1]:
        assert new.isfinite().all()
        assert not torch.equal(old, new)


def test_a_weight_network_does_not_decay() -> None:
    made = model("til-ui", Schedule(weight_decay=0.1))
    assert [group["weight_decay"] for group in made.optimizer.param_groups] == [0.1, 0.0]
    assert [len(group["params"]) for group in made.optimizer.param_groups][1] == len([*made.loss.network.parameters()])


@pytest.fixture
def shop(own_folders: None) -> None:
    prepare("synthetic", rows=1500)


def train(loss: str, *words: str, epochs: int = 3) -> RunRecord:
    common = (f"train.epochs={epochs}", "backbone.dim=4", "train.patience=9", "train.batch_size=256")
    request = TrainRequest(loss, "mf", "synthetic/global", (), (0,), (*common, *words), ())
    return train_all(request, Invocation(Store(results_home()), SILENT, "recbench train"), "cpu")[0]


def outcome() -> tuple[bytes, Any]:
    """The weights of the only run, and its record without times."""
    content = json.loads(next(results_home().rglob("record.json")).read_text())
    for name in ("seconds", "rows_per_second", "finished", "peak_memory_mib", "sha256"):
        content.pop(name, None)
    for epoch in content["curve"]:
        del epoch["seconds"]
    return next(results_home().rglob("weights.safetensors")).read_bytes(), content


@pytest.mark.parametrize("refit", ["false", "true"])
@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("bpr", "optimizer=sgd decay=linear clip=0.1"),
        ("gnolr", "optimizer=adamw weight_decay=0.1 warmup=1.5 decay=cosine"),
        ("til-ui", "optimizer=adagrad warmup=2 clip=1"),
        ("buir", "warmup=0.5 decay=linear weight_decay=0.01"),
        ("bpr", "lazy=on"),
        ("gnolr", "lazy=on optimizer=adamw weight_decay=0.1"),
        ("bce", "lazy=on optimizer=sgd weight_decay=0.1"),
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    shop: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str, words: str, refit: str
) -> None:
    monkeypatch.setattr(AdamRule, "first_steps", 4)  # in the first epoch of three
    settings = (*(f"train.{word}" for word in words.split()), f"train.refit={refit}")
    train(loss, *settings)
    expected = outcome()
    results_home().rename(tmp_path / "uninterrupted")
    epoch, calls = training.Training._epoch, 0

    def interrupted_once(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return epoch(*arguments)

    monkeypatch.setattr(training.Training, "_epoch", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        train(loss, *settings)
    resume_last(Store(results_home()), SILENT, "cpu")
    assert outcome() == expected


def test_the_rates_of_a_run(shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warm-up within the first epoch, then half a cosine until the last; a group's own rate goes with it."""
    rates: list[tuple[float, float, int]] = []
    step = LOSSES.get("til-ui").step

    def noted(loss: Loss, backbone: Any, batch: Any, optimizer: Any) -> Tensor:
        rates.append((*(group["lr"] for group in optimizer.param_groups), batch.rows))
        return step(loss, backbone, batch, optimizer)

    monkeypatch.setattr(LOSSES.get("til-ui"), "step", noted)
    train("til-ui", "train.warmup=1", "train.decay=cosine", "train.lr=0.1", "loss.weight_lr=0.02", epochs=4)
    rows = sum(count for _, _, count in rates) / 4
    done = 0
    for rate, own, count in rates:
        before, after = done / rows, (done + count) / rows
        factor = after if before < 1 else (1 + cos(pi * (before - 1) / 3)) / 2
        assert rate == pytest.approx(0.1 * factor)
        assert own == pytest.approx(0.02 * factor)
        done += count


def test_defaults_are_no_part_of_a_key(shop: None) -> None:
    plain = train("bpr", epochs=1).key
    usual = ("optimizer=adam", "weight_decay=0", "warmup=0", "decay=none", "clip=0", "lazy=auto")
    assert train("bpr", *(f"train.{word}" for word in usual), epochs=1).key == plain
    assert not {word.partition("=")[0] for word in usual} & {name.removeprefix("train.") for name in plain.settings}
    record = train("bpr", "train.optimizer=adagrad", epochs=1)
    assert record.key.digest != plain.digest
    assert record.non_default["train.optimizer"] == "adagrad"


@pytest.mark.parametrize(
    ("loss", "word", "message"),
    [
        ("til-ui", "optimizer=sgd", "loss `til-ui` can be trained with adam, adamw, adagrad alone"),
        ("bpr", "optimizer=adm", "train.optimizer=adm: expected one of adam, adamw, sgd, adagrad"),
        ("bpr", "decay=cos", "train.decay=cos: expected one of none, cosine, linear"),
        ("bpr", "clip=-1", "train.clip=-1.0: expected at least 0"),
        ("bpr", "warmup=3", "train.warmup=3: expected fewer epochs than train.epochs=3"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(shop: None, loss: str, word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        train(loss, f"train.{word}")
    assert not results_home().exists()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_are_torchs_own_bit_for_bit(name: str) -> None:
    """Leaving out the guards against the compiler changes neither the steps nor the state that is kept."""
    made = model("bpr", Schedule(lr=0.1, optimizer=name, weight_decay=0.01))  # type: ignore[arg-type]
    twin = [p.detach().clone().requires_grad_() for p in made.optimizer.param_groups[0]["params"]]
    fused = {"fused": True} if name.startswith("adam") else {}
    classes = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    plain = classes.get(name, torch.optim.Adagrad)(twin, lr=0.1, weight_decay=0.01, **fused)
    assert isinstance(made.optimizer, type(plain))
    for step in steps(made, 3):
        for own, (_, gradient, _) in zip([p for p in twin if p.numel()], step, strict=False):
            own.grad = gradient.float()
        plain.step()
    for own, p in zip(twin, made.optimizer.param_groups[0]["params"], strict=True):
        assert torch.equal(own, p)
    found, expected = made.optimizer.state_dict(), plain.state_dict()
    assert found["param_groups"] == expected["param_groups"]
    assert str(found["state"]) == str(expected["state"])


def test_training_imports_neither_torchs_compiler_nor_a_search() -> None:
    """Each takes time at every start; the compiler, which torch's optimisers import at their first call, a second."""
    code = """
import sys, torch
from recbench.data.toy import toy
from recbench.losses.base import LOSSES, defaults
from recbench.training.model import build
from recbench.training.schedule import Schedule
values = {f"loss.{key}": value for key, value in defaults(LOSSES.get("bce")).items()}
data = toy().narrow(["view"])
made = build(data, "bce", "mf", values | {"backbone.dim": 4}, seed=0, schedule=Schedule(clip=1.0))
batch = next(made.loss.sampler.batches(data, 64, torch.Generator()))
made.loss.step(made.backbone, batch, made.optimizer)
made.optimizer.load_state_dict(made.optimizer.state_dict())
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "recbench.training.optimizer" in modules
    assert not modules & {"torch._dynamo", "faiss", "scipy"}


def test_a_model_that_is_only_evaluated_has_no_optimiser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbench.training.model.make_optimizer", lambda *_: pytest.fail("made an optimiser"))
    made = model("bpr", Schedule())
    assert made.parameters and made.state()
