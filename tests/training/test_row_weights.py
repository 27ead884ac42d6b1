"""Weights of rows: what a loss makes of them, where training takes them from, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.data.dataset import Dataset, concat_logs
from recbench.data.noise import with_noise
from recbench.data.toy import toy
from recbench.errors import UsageError
from recbench.inspect.loss_trial import Trial
from recbench.terminal import TerminalConsole
from recbench.training.captured_step import Step
from recbench.training.epoch import train_epoch
from recbench.training.model import Model, why_no_row_weights
from recbench.training.schedule import Schedule
from recbench.training.training_display import TrainingDisplay

WEIGHED = ("aitm", "bce", "bpr", "bsl", "cml", "corn", "croloss", "dcmt", "gnolr", "llpauc", "pris", "ssm", "ultragcn")
NOT_WEIGHED = {
    "directau": "is not to it what two rows are",
    "mawu": "is not to it what two rows are",
    "jrc": "do not stand for single rows",
    "full-softmax": "do not stand for single rows",
    "til-ui": "makes steps of its own",
}


def value_and_gradients(model: Model, batch: Batch) -> list[Tensor]:
    parameters = [p for module in (model.backbone, model.loss) for p in module.parameters() if p.requires_grad]
    value = model.loss.objective(model.backbone, batch)
    return [value, *(g for g in torch.autograd.grad(value, parameters, allow_unused=True) if g is not None)]


@pytest.mark.parametrize("name", WEIGHED)
def test_weights_of_two_are_repeated_rows_and_weights_of_one_are_none(name: str) -> None:
    trial = Trial(name)
    model, batch = trial.model(), trial.batch
    assert why_no_row_weights(model, trial.data(), 64) is None
    ones = replace(batch, weight=torch.ones(len(batch.user)))
    for weighted, plain in zip(value_and_gradients(model, ones), value_and_gradients(model, batch), strict=True):
        assert torch.equal(weighted, plain)
    thrice = value_and_gradients(model, replace(batch, weight=torch.full((len(batch.user),), 3.0)))
    torch.testing.assert_close(thrice[0], value_and_gradients(model, batch)[0])


@pytest.mark.parametrize(("name", "reason"), NOT_WEIGHED.items())
def test_what_has_no_place_for_weights_is_found(name: str, reason: str) -> None:
    trial = Trial(name)
    assert reason in str(why_no_row_weights(trial.model(), trial.data(), 64))


def test_every_row_is_trained_with_its_own_weight() -> None:
    data = toy(tasks=1)
    weight = torch.arange(len(data.train)) % 3
    seen = torch.zeros(len(weight))

    class Watched(Step):
        def __call__(self, batch: Batch) -> Tensor:
            assert batch.row is not None and batch.weight is not None
            assert torch.equal(batch.weight, weight[batch.row].float())
            seen[batch.row] += batch.weight
            return super().__call__(batch)

    epoch(replace(data, train=replace(data.train, weight=weight.float())), Watched)
    assert torch.equal(seen, weight.float())


def test_rows_of_weight_zero_teach_nothing() -> None:
    data = toy(tasks=1)
    kept = torch.arange(len(data.train)) % 3 > 0
    label = data.train.label.clone()
    label[~kept] = label[~kept].flip(0)  # so that the rate, where the bias starts, is the same
    assert not torch.equal(label, data.train.label)
    changed = replace(data.train, label=label)
    models = [
        epoch(replace(data, train=replace(log, weight=kept.float())), Step).state() for log in (data.train, changed)
    ]
    for name, tensor in models[0]["backbone"].items():
        assert torch.equal(tensor, models[1]["backbone"][name])


def epoch(data: Dataset, kind: type[Step]) -> Model:
    """Train an epoch of bce."""
    model = Trial("bce").model(data)
    display = TrainingDisplay(TerminalConsole(quiet=True), "", "", 1, len(data.train))
    train_epoch(kind(model), data, Schedule(batch_size=64), 0, 1, display)
    return model


def test_weights_are_used_where_they_are_asked_for_alone() -> None:
    plain = toy()
    weight = torch.rand(len(plain.train))
    data = replace(plain, train=replace(plain.train, weight=weight))
    assert Schedule().training(data, 0).train.weight is None
    assert Schedule().training(plain, 0) is plain
    used = Schedule(row_weights=True).training(data, 0)
    assert used is data
    with pytest.raises(UsageError, match=r'toy/global have no weights; name their column.*weight = "plays"'):
        Schedule(row_weights=True).training(plain, 0)
    nothing = replace(data, train=replace(data.train, weight=torch.zeros_like(weight)))
    with pytest.raises(UsageError, match="all train rows of toy/global weigh 0"):
        Schedule(row_weights=True).training(nothing, 0)
    assert torch.equal(concat_logs(data.train[:5], data.train[7:9]).weight, torch.cat([weight[:5], weight[7:9]]))
    noisy = with_noise(data, 0.5, 0.0, seed=0).train
    assert noisy.weight is not None and len(noisy.weight) == len(noisy)
    assert set(noisy.weight.tolist()) <= set(weight.tolist())


def test_the_weight_of_a_pair_is_the_sum_of_its_rows() -> None:
    data = toy(tasks=1)
    weight = torch.arange(len(data.train)).float()
    log = replace(data.train, weight=weight)
    pairs = data.positives_of(log, 0, weighing=True)
    expected: dict[tuple[int, int], float] = {}
    for row in log.label[:, 0].nonzero()[:, 0].tolist():
        pair = int(log.user[row]), int(log.item[row])
        expected[pair] = expected.get(pair, 0.0) + row
    assert pairs.weight is not None
    assert expected == {
        (u, i): w for u, i, w in zip(pairs.user.tolist(), pairs.item.tolist(), pairs.weight.tolist(), strict=True)
    }
    assert data.positives_of(log, 0).weight is None
