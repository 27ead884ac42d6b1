"""What every loss inherits: an objective apart from the step, settings with ranges, a head."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.backbones.mf import MF
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, create, defaults, nominal_info
from recbench.losses.bpr import BPR
from recbench.settings import Value
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


@pytest.mark.parametrize(
    ("name", "idle", "without", "remedy"),
    [
        ("bpr-max", {"elu_scale": 2.0}, "activation=elu", {"activation": "elu"}),
        ("bsl", {"ratio": 3.0, "form": "released"}, "form=paper", {"form": "paper"}),
        ("bsl", {"power": 1.5}, "form=released or released-users", {"form": "released-users"}),
        ("cml", {"covariance": "released"}, "covariance_weight above 0", {"covariance_weight": 0.1}),
        ("coral", {"start": "zero", "thresholds": "rates"}, "thresholds=learned", {"thresholds": "learned"}),
        ("croloss", {"margin": 2.0}, "kernel=hinge", {"kernel": "hinge"}),
        ("croloss-lambda", {"margin": 2.0}, "weight_kernel=hinge or kernel=hinge", {"weight_kernel": "hinge"}),
        ("gnolr", {"pull": 0.1, "thresholds": "learned"}, "thresholds=pulled", {"thresholds": "pulled"}),
        ("nise", {"largest": 2.0}, "dynamic=true", {"dynamic": True}),
        (
            "pris",
            {"beta": 0.5, "proposal": "uniform"},
            "proposal=popularity or cluster-popularity",
            {"proposal": "popularity"},
        ),
        ("pris", {"clusters": 9}, "proposal=cluster-uniform or cluster-popularity", {"proposal": "cluster-uniform"}),
        ("softmax", {"negatives": 3, "source": "batch"}, "source=pool", {"source": "pool"}),
        ("til-mi", {"gamma": 0.1, "clustering": "kmeans"}, "clustering=learned", {"clustering": "learned"}),
    ],
)
def test_a_setting_that_does_nothing_beside_the_others_is_refused(
    name: str, idle: dict[str, Value], without: str, remedy: dict[str, Value]
) -> None:
    kind = LOSSES.get(name)
    data, (key, value), values = nominal_info(kind), next(iter(idle.items())), defaults(kind) | idle
    message = f"loss.{key}={value} does nothing without loss.{without}; leave it out"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        create(kind, data, values)
    create(kind, data, values | remedy)
