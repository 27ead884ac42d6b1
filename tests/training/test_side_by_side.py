"""Models that are stepped side by side against the same models stepped alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from recbench.backbones.base import BACKBONES
from recbench.backbones.base import defaults as backbone_defaults
from recbench.batch import Batch
from recbench.inspect.loss_trial import InapplicableError, Trial, small_settings
from recbench.inspect.step_checks import Tapes, require_same_lanes
from recbench.losses.balance import BALANCES
from recbench.losses.base import LOSSES, why_not
from recbench.losses.base import resolve as resolve_loss
from recbench.settings import Value, prefixed
from recbench.training.bundling import MOST, difference, most_in_memory, why_alone
from recbench.training.captured_step import CapturedStep
from recbench.training.model import Model, build
from recbench.training.random_numbers import RandomNumbers
from recbench.training.schedule import Schedule
from recbench.training.side_by_side import SideBySide, _further_names, stacked

STEPS = "makes steps of its own"
PAIRS = "is given as pairs"
CHANGES = "changes tensors of its own"
ALONE = {
    "selfcf-ep": "torch cannot do a step",
    **dict.fromkeys(("selfcf-he", "ssl"), CHANGES),
    **dict.fromkeys(("full-softmax", "mult-dae", "mult-vae"), PAIRS),
    **dict.fromkeys(("til-ui", "til-mi"), STEPS),
}
ALONE_ON = {
    **dict.fromkeys(("autoencoder", "variational-autoencoder"), "reads the value of a tensor"),
    "sasrec": "makes tensors whose shape depends on values",
}


@pytest.mark.parametrize("name", LOSSES.names())
def test_every_loss_trains_side_by_side_or_has_a_reason(name: str) -> None:
    trial = Trial(name)
    model = trial.model()
    model.start_epoch(1)
    assert ALONE.get(name, "None") in str(why_alone(model, trial.batch))


@pytest.mark.parametrize(
    "backbone",
    [name for name in BACKBONES.names() if why_not(LOSSES.get("gnolr"), BACKBONES.get(name)) is None],
)
def test_every_backbone_trains_side_by_side_or_has_a_reason(backbone: str) -> None:
    reason = ALONE_ON.get(backbone)
    with nullcontext() if reason is None else pytest.raises(InapplicableError, match=reason):
        require_same_lanes(Trial("gnolr"), backbone)


def test_lists_of_which_more_or_fewer_draw_train_alone() -> None:
    trial = Trial("listnet")
    assert "draws random numbers for lists" in str(why_alone(trial.model(backbone="simplex"), trial.batch))


def models_of(
    trial: Trial,
    count: int,
    *,
    backbone: str = "mf",
    of_loss: Sequence[dict[str, str]] = (),
    of_backbone: Sequence[dict[str, Value]] = (),
    schedules: Sequence[Schedule] = (),
) -> list[Model]:
    """Models of the seeds 0, 1, …, each with settings of its own."""
    models = []
    for seed in range(count):
        words = of_loss[seed] if of_loss else {}
        values = prefixed("loss", resolve_loss(trial.loss, words))
        own = of_backbone[seed] if of_backbone else {}
        values |= prefixed(
            "backbone", {**backbone_defaults(BACKBONES.get(backbone)), **small_settings(backbone), **own}
        )
        schedule = schedules[seed] if schedules else Schedule(lr=0.02)
        models.append(build(trial.data(), trial.name, backbone, values, seed, schedule))
    return models


def batches_of(trial: Trial, model: Model, seed: int, steps: int) -> list[Batch]:
    data = model.backbone.sequences(trial.data())
    drawn = model.loss.sampler.batches(data, 64, torch.Generator().manual_seed(seed))
    return [batch for batch, _ in zip(drawn, range(steps), strict=False)]


def check_equal_steps(trial: Trial, models: list[Model], alone: list[Model], steps: int = 6) -> None:
    """Losses and weights side by side are those of the same models alone."""
    assert [difference(models[0], model) for model in models] == [None] * len(models)
    own = [batches_of(trial, model, seed, steps) for seed, model in enumerate(models)]
    together = SideBySide(models, [batches[0] for batches in own])
    for batches in zip(*own, strict=True):
        expected = [model.update(batch) for model, batch in zip(alone, batches, strict=True)]
        torch.testing.assert_close(together.step(batches), torch.stack(expected), rtol=1e-5, atol=1e-7)
    for model, other in zip(models, alone, strict=True):
        for name, tensor in model.backbone.state_dict().items():
            torch.testing.assert_close(tensor, other.backbone.state_dict()[name], rtol=1e-4, atol=5e-6)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "adagrad"])
def test_models_may_differ_in_rate_decay_and_every_number_that_is_a_tensor(optimizer: str) -> None:
    trial = Trial("bce")
    usual = Schedule(optimizer=optimizer)  # type: ignore[arg-type]
    schedules = [replace(usual, lr=0.01 * 3**n, weight_decay=0.01 * n) for n in range(3)]
    words = [{"pos_weight": str(2.0**n), "logit": "fixed", "scale": str(1.0 + n), "bias": str(-n)} for n in range(3)]
    penalties: list[dict[str, Value]] = [{"l2": 0.1 * (n + 1)} for n in range(3)]
    made = [models_of(trial, 3, of_loss=words, of_backbone=penalties, schedules=schedules) for _ in range(2)]
    check_equal_steps(trial, *made)


def test_each_gradient_is_clipped_by_its_own_norm() -> None:
    schedules = [Schedule(lr=0.1, optimizer="sgd", clip=0.01 * 10**n) for n in range(3)]
    trial = Trial("gnolr")
    check_equal_steps(trial, *(models_of(trial, 3, schedules=schedules) for _ in range(2)))


@pytest.mark.parametrize(
    ("loss", "backbone"), [("listnet", "mf"), ("lambdarank", "mf"), ("jrc", "twintower"), ("bpr", "lightgcn")]
)
def test_lists_of_any_length_and_graphs(loss: str, backbone: str) -> None:
    trial = Trial(loss)
    check_equal_steps(trial, *(models_of(trial, 3, backbone=backbone) for _ in range(2)))


@pytest.mark.parametrize("backbone", ["mf", "simplex"])  # of which one draws random numbers
def test_a_model_without_a_batch_rests(backbone: str) -> None:
    trial = Trial("bce")
    models, alone = (models_of(trial, 2, backbone=backbone) for _ in range(2))
    first, second = (batches_of(trial, models[0], seed, 3) for seed in range(2))
    own = [RandomNumbers(), RandomNumbers()]
    together = SideBySide(models, [first[0], second[0]])
    for batches in zip(first, [second[0], None, second[1]], strict=True):
        losses, expected = together.step(batches), torch.zeros(2)
        for place, (model, batch) in enumerate(zip(alone, batches, strict=True)):
            if batch is not None:
                with own[place].in_use():
                    expected[place] = model.update(batch)
        torch.testing.assert_close(losses, expected)
    assert models[1].optimizer.state_dict()["state"][0]["step"] == 2
    torch.testing.assert_close(models[1].optimizer.state_dict(), alone[1].optimizer.state_dict())


def test_a_step_of_all_can_be_captured() -> None:
    trial = Trial("gnolr")
    models, alone = models_of(trial, 3), models_of(trial, 3)
    own = [batches_of(trial, models[0], seed, 9) for seed in range(3)]
    together = SideBySide(models, [batches[0] for batches in own])
    step = CapturedStep(together, Tapes())
    for batches in zip(*own, strict=True):
        batch = stacked(batches)
        assert batch is not None
        expected = torch.stack([model.update(one) for model, one in zip(alone, batches, strict=True)])
        torch.testing.assert_close(step(batch), expected)
    assert step.recorded and not step.notes


def test_a_step_that_draws_for_each_can_be_captured() -> None:
    trial = Trial("bce")
    models = models_of(trial, 2, backbone="simplex")
    step = CapturedStep(SideBySide(models, [trial.batch] * 2), Tapes())
    batch = stacked([trial.batch] * 2)
    assert batch is not None
    for _ in range(5):
        step(batch)
    assert step.recorded and not step.notes


def test_batches_of_lists_are_padded_and_others_are_not() -> None:
    def batch(users: int, slots: int, *, row: bool = False) -> Batch:
        mask = torch.ones(users, slots, dtype=torch.bool)
        label = torch.ones(users, slots, 2)
        number = torch.arange(users) if row else None
        return Batch(torch.arange(users), torch.ones(users, slots, dtype=torch.long), label, mask, row=number)

    padded = stacked([batch(2, 3), batch(4, 1)])
    assert padded is not None and padded.mask is not None
    assert padded.item.shape == (2, 4, 3) and padded.label.shape == (2, 4, 3, 2)
    assert padded.mask[0].tolist() == [[True] * 3] * 2 + [[False] * 3] * 2
    assert padded.mask[1].tolist() == [[True, False, False]] * 4
    assert stacked([batch(2, 3, row=True), batch(4, 3, row=True)]) is None
    assert stacked([batch(2, 3), replace(batch(2, 3), mask=None)]) is None
    assert stacked([batch(2, 3), replace(batch(2, 3), positive_slots=1)]) is None


@pytest.mark.parametrize("name", BALANCES.names())
def test_balance_strategies(name: str) -> None:
    trial = Trial("nsb")
    model = trial.model(words={"balance": name})
    model.start_epoch(1)
    reasons = {"dwa": CHANGES, "gradnorm": CHANGES, "pcgrad": "torch cannot do a step"}
    assert reasons.get(name, "None") in str(why_alone(model, trial.batch))


def test_what_differs_otherwise_than_in_tensors_is_named() -> None:
    trial = Trial("bce")
    one = trial.model()
    assert difference(one, trial.model(seed=1)) is None
    assert difference(one, trial.model(backbone="neumf")) is not None
    assert str(difference(one, trial.model(words={"logit": "fixed"}))).startswith("loss.head.")
    with_penalty, without = (models_of(trial, 1, of_backbone=[{"l2": l2}])[0] for l2 in (0.1, 0.0))
    assert difference(with_penalty, without) == "backbone.l2"
    buir = Trial("buir")
    momenta = [buir.model(words={"momentum": word}) for word in ("0.9", "0.99")]
    assert difference(*momenta) == "loss.momentum"


def test_a_part_that_a_loss_holds_twice_gets_its_tensors_back() -> None:
    """As LightGCL holds its view: torch leaves the tensors of all runs in it, which a step of one could not read."""
    trial = Trial("lightgcl")
    together = SideBySide([trial.model(seed=seed) for seed in range(2)], [trial.batch] * 2)
    together.step([trial.batch, trial.batch])
    assert together.step([trial.batch, None]).isfinite().all()
    twice = nn.ModuleDict({"one": nn.Linear(2, 2), "tied": nn.Linear(2, 2)})
    twice["one again"], twice["tied"].weight = twice["one"], twice["one"].weight
    assert _further_names(twice) == {"tied.weight": "one.weight"}


def test_so_many_runs_as_a_gpu_has_memory_for_whatever_was_trained_there_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = Trial("bce")
    model = trial.model()
    assert most_in_memory(model, trial.batch) == MOST
    peak = [10**9]  # of the process so far
    with FakeTensorMode():
        here = SimpleNamespace(parameters=lambda: iter([torch.empty(250, device="cuda")]))  # 1000 bytes
        on_gpu = SimpleNamespace(backbone=here, loss=here, update=lambda _: peak.__setitem__(0, 5000))
        memory = {
            "reset_peak_memory_stats": lambda _: peak.__setitem__(0, 3000),
            "max_memory_allocated": lambda _: peak[0],
            "memory_allocated": lambda _: 3000,
            "memory_reserved": lambda _: 13_000,
            "mem_get_info": lambda _: (60_000, 80_000),
        }
        for name, function in memory.items():
            monkeypatch.setattr(torch.cuda, name, function)
        assert most_in_memory(cast(Model, on_gpu), trial.batch) == 4  # 0.8 of 70,000 over 6 * 2000 + 2000
