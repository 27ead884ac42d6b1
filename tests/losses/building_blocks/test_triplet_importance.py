"""What both strategies of TIL have in common."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import logsigmoid

from recbench.batch import Batch
from recbench.data.dataset import Info
from recbench.errors import UsageError
from recbench.inspect.conformance import Trial
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.triplet_importance import with_negative
from recbench.training.model import Model
from tests.losses.til_models import (
    LEARNED,
    NAMES,
    OF_THE_PAPER,
    batches,
    model,
    run_epoch,
    til,
)


@torch.enable_grad()
def outer_after_a_step(of: Model, batch: Batch, rate: float) -> float:
    """The outer objective by its definition: one step of plain gradient descent, then BPR."""
    inner, outer = with_negative(batch, 1), with_negative(batch, 2)
    copy = deepcopy(of.backbone)
    towers = of.loss.head(copy.encode(inner))
    logit = towers.logit[..., 0]
    weight = til(of).weights(towers, inner).detach()
    loss = -(weight * logsigmoid(logit[:, 0] - logit[:, 1])).mean() + towers.regulariser(inner)
    loss = loss + til(of).clustering_loss(towers, inner)
    parameters = list(copy.parameters())
    with torch.no_grad():
        for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p -= rate * gradient
        logit = of.loss.head(copy.encode(outer)).logit[..., 0]
    return float(-logsigmoid(logit[:, 0] - logit[:, 1]).mean())


@pytest.mark.parametrize(
    ("backbone", "rate"), [("mf", 0.01), *((backbone, 2.0) for backbone in (*OF_THE_PAPER, "twintower", "ytdnn"))]
)
@pytest.mark.parametrize("name", NAMES)
def test_the_network_follows_the_gradient_of_the_outer_objective(name: str, backbone: str, rate: float) -> None:
    words = LEARNED if name == "til-mi" else {}
    of = model(name, backbone, 4, hidden="3", lookahead=str(rate), **words)
    of.backbone.double()
    of.loss.double()
    of.loss.start_epoch(of.backbone, 1)
    batch = batches(of)[0]
    assert batch.mask is not None
    assert batch.mask.all()
    with torch.no_grad():  # no hidden unit near its kink
        til(of).network.first.bias.copy_(torch.tensor([1.0, -1.0, 0.5]))
    parameters = list(til(of).network.parameters())
    expected, epsilon = [], 1e-4
    for p in parameters:
        numbers = torch.zeros_like(p)
        for place in range(p.numel()):
            ends = []
            for sign in (1, -1):
                with torch.no_grad():
                    p.view(-1)[place] += sign * epsilon
                    ends.append(outer_after_a_step(of, batch, rate))
                    p.view(-1)[place] -= sign * epsilon
            numbers.view(-1)[place] = (ends[0] - ends[1]) / (2 * epsilon)
        expected.append(numbers)
    of.loss.step(of.backbone, batch, of.optimizer)
    for p, numbers in zip(parameters, expected, strict=True):
        assert p.grad is not None
        torch.testing.assert_close(p.grad, numbers, rtol=2e-4, atol=2e-4 * float(max(e.abs().max() for e in expected)))
    assert max(float(numbers.abs().max()) for numbers in expected) > 0


@pytest.mark.parametrize("name", NAMES)
def test_masked_triplets_do_not_count(name: str) -> None:
    words = LEARNED if name == "til-mi" else {}
    first, second = model(name, **words), model(name, **words)
    for of in (first, second):
        of.loss.start_epoch(of.backbone, 1)
    batch = replace(batches(first)[0], log_q=None, row=None)
    assert batch.mask is not None
    mask = batch.mask.clone()
    mask[40:] = False
    if name == "til-mi":  # a positive is an item to be clustered, whatever became of its negatives
        mask[40:, 0] = False
    found = first.loss.step(first.backbone, replace(batch, mask=mask), first.optimizer)
    fewer = Batch(batch.user[:40], batch.item[:40], batch.label[:40], batch.mask[:40])
    torch.testing.assert_close(found, second.loss.step(second.backbone, fewer, second.optimizer))
    for p, q in zip(first.loss.parameters(), second.loss.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-5)
    torch.testing.assert_close(first.backbone.tables()[1], second.backbone.tables()[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("til-ui", {"hidden": 0}, "loss.hidden=0: expected at least 1"),
        ("til-ui", {"lookahead": 0.0}, "loss.lookahead=0.0: expected a number above 0"),
        ("til-mi", {"weight_lr": -1.0}, "loss.weight_lr=-1.0: expected a number above 0"),
        ("til-mi", {"alpha": -1.0}, "loss.alpha=-1.0: expected at least 0"),
        ("til-mi", {"gamma": -1.0}, "loss.gamma=-1.0: expected at least 0"),
        ("til-mi", {"clusters": 0}, "loss.clusters=0: expected at least 1"),
        ("til-mi", {"pretrain": -1}, "loss.pretrain=-1: expected at least 0"),
        ("til-mi", {"refresh": 0}, "loss.refresh=0: expected at least 1"),
    ],
)
def test_settings_are_checked(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        base.create(LOSSES.get(name), Info(10, 10, (0.5,)), base.defaults(LOSSES.get(name)) | settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_learned_logits_are_trained_with_the_backbone(name: str) -> None:
    of = Trial(name).model(words={"logit": "learned", "cosine": "true"})
    before = float(of.loss.head.log_scale.detach())
    run_epoch(of, 1)
    assert float(of.loss.head.log_scale.detach()) != before
