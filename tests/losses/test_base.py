"""What every loss inherits: an objective apart from the step, settings with ranges, a head."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.backbones.mf import MF
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.losses.base import create, defaults
from recbench.losses.bpr import BPR
from recbench.training.optimizer import make_optimizer
from recbench.training.schedule import Schedule


class Counting(BPR):
    """BPR that counts its updates."""

    updates = 0

    def after_step(self, backbone: Backbone) -> None:
        self.updates += 1


def made(view: Dataset, l2: float) -> tuple[Counting, MF]:
    loss = create(Counting, view.info, defaults(Counting))
    assert isinstance(loss, Counting)
    torch.manual_seed(0)
    return loss, MF(view, loss.towers, False, dim=4, l2=l2)


def test_the_objective_is_the_loss_plus_the_penalty(view: Dataset) -> None:
    values = []
    for l2 in (0.0, 1.0):
        loss, backbone = made(view, l2)
        batch = next(loss.sampler.batches(view, 32, torch.Generator().manual_seed(0)))
        values.append(loss.objective(backbone, batch))
    user, item = backbone.user_table[batch.user], backbone.item_table[batch.item]
    penalty = (user.square().sum() + item.square().sum()) / 2 / 32
    torch.testing.assert_close(values[1] - values[0], penalty)


def test_a_step_descends_the_objective_and_calls_its_hook(view: Dataset) -> None:
    loss, backbone = made(view, 0.1)
    optimizer = make_optimizer(loss, backbone, Schedule(lr=0.01))
    batch = next(loss.sampler.batches(view, 32, torch.Generator().manual_seed(0)))
    before: Tensor = loss.objective(backbone, batch).detach()
    assert torch.equal(loss.step(backbone, batch, optimizer), before)
    assert loss.updates == 1
    assert loss.objective(backbone, batch) < before


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("negatives", 0, "loss.negatives=0: expected at least 1"),
        ("scale", 0.0, "loss.scale=0.0: expected a number above 0"),
        ("bias", 2.0, "loss.scale and loss.bias need loss.logit=fixed or loss.logit=learned"),
    ],
)
def test_settings_are_checked_when_a_loss_is_made(view: Dataset, key: str, value: float, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        create(BPR, view.info, defaults(BPR) | {key: value})
