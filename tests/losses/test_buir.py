"""BUIR: its value by hand, and a slow copy that only follows."""

from __future__ import annotations

from math import sqrt

import pytest
import torch

from recbench.backbones.mf import MF
from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.losses import base
from recbench.losses.buir import BUIR
from recbench.training.optimizer import make_optimizer
from recbench.training.schedule import Schedule
from tests.conftest import make_dataset


def made(data: Dataset) -> tuple[BUIR, MF, torch.optim.Optimizer]:
    backbone = MF(data, 1, False, dim=2)
    loss = base.create(BUIR, data.info, base.resolve(BUIR, {}))
    assert isinstance(loss, BUIR)
    loss.prepare(backbone)
    return loss, backbone, make_optimizer(loss, backbone, Schedule(lr=0.01))


def test_value() -> None:
    data = make_dataset(tasks=1)
    loss, backbone, _ = made(data)
    with torch.no_grad():
        loss.predictor.weight.copy_(torch.eye(2))
        loss.predictor.bias.zero_()
        backbone.user_table[3] = torch.tensor([1.0, 2.0])
        backbone.item_table[5] = torch.tensor([0.0, 1.0])
        loss.slow.user_table[3] = torch.tensor([2.0, 1.0])
        loss.slow.item_table[5] = torch.tensor([1.0, 1.0])
    user, item = torch.tensor([3]), torch.tensor([[5]])
    value = loss(backbone(user, item), Batch(user, item, torch.ones(1, 1, 1)))
    expected = (2 - 2 * 3 / sqrt(10)) + (2 - 2 / sqrt(5))
    assert value.item() == pytest.approx(expected, abs=1e-6)
    assert expected == pytest.approx(1.2082062, abs=1e-7)


def test_slow_copy_gets_no_gradient_and_follows_with_momentum() -> None:
    data = make_dataset(tasks=1)
    loss, backbone, optimizer = made(data)
    before = loss.slow.user_table.clone()
    batch = next(loss.sampler.batches(data, 64, torch.Generator().manual_seed(0)))
    loss.step(backbone, batch, optimizer)
    assert loss.slow.user_table.grad is None
    torch.testing.assert_close(loss.slow.user_table.data, before + 0.005 * (backbone.user_table.data - before))


def test_score_is_the_sum_of_both_predictions() -> None:
    data = make_dataset(tasks=1)
    loss, backbone, _ = made(data)
    user, item = backbone.tables()
    of_user, of_item = loss.vectors(user, item)
    q = loss.predictor
    expected = (q(user)[2] * item[7]).sum() + (user[2] * q(item)[7]).sum()
    torch.testing.assert_close((of_user[2] * of_item[7]).sum(), expected)
