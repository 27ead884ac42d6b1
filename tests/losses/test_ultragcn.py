"""UltraGCN: published values, and the whole objective by loop, on slates of their own and on a shared one."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.losses.base import resolve
from recbench.losses.ultragcn import UltraGCN
from recbench.settings import prefixed
from recbench.training.model import build
from recbench.training.schedule import Schedule
from tests.backbones.test_lightgcn import dataset
from tests.losses.by_hand import loss, tensor, towers
from tests.losses.sampled_slates import model, model_on

PLAIN = {"w1": 0.5, "w2": 2.0, "w3": 0.25, "w4": 3.0, "negative_weight": 4.0, "item_weight": 0.75}


def test_published_value() -> None:
    made = loss("ultragcn")
    made.setup(dataset(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 2]), 2, 3))
    batch = Batch(torch.tensor([0]), torch.tensor([[0, 2, 1]]), tensor([[1.0, 0, 0]]))
    assert made(towers([[0.8, 0.3, -0.2]]), batch).item() == pytest.approx(123.56542556823209, rel=1e-6)


def by_loop(made: UltraGCN, view: Dataset, batch: Batch, user: Tensor, item: Tensor) -> Tensor:
    """The objective of a batch by the paper's formulas, on tables [users, D] and [items, D]."""
    rows = torch.zeros(len(user), len(item), dtype=torch.double)
    rows[view.positives.user, view.positives.item] = 1
    of_user, of_item = rows.sum(1).tolist(), rows.sum(0).tolist()
    common = rows.T @ rows
    degree = common.sum(1)
    omega = ((degree + 1).sqrt() / degree)[:, None] * common / (degree + 1).sqrt()
    mask = torch.ones(batch.label.shape[:2], dtype=torch.bool) if batch.mask is None else batch.mask
    total = torch.zeros(())
    for b, u in enumerate(batch.user.tolist()):
        slate = batch.item.expand(len(mask), -1)[b].tolist()
        (place,) = [j for j in range(len(slate)) if batch.label[b, j, 0] > 0]
        beta = {i: sqrt(of_user[u] + 1) / of_user[u] / sqrt(of_item[i] + 1) for i in slate}
        score = {i: user[u] @ item[i] for i in range(len(item))}
        rivals = [i for j, i in enumerate(slate) if mask[b, j] and j != place]
        of_rivals = sum((0.25 + 3 * beta[i]) * softplus(score[i]) for i in rivals) / len(rivals)
        i = slate[place]
        near = omega[i].argsort(descending=True)[: made.neighbours].tolist()
        drawn = sum(float(omega[i, k]) * softplus(-score[k]) for k in near)
        total = total + (0.5 + 2 * beta[i]) * softplus(-score[i]) + 4 * of_rivals + 0.75 * drawn
    return total / len(batch.user)


@pytest.mark.parametrize("slates", ["own", "pool", "shared", "in-batch"])
def test_the_objective_by_loop(slates: str, view: Dataset) -> None:
    words = {key: str(value) for key, value in PLAIN.items()} | {"neighbours": "3", "negatives": "12"}
    if slates in ("own", "pool"):
        trained = model(view, "ultragcn", source=slates, **words)
    else:
        del words["negatives"]
        trained = model_on(view, "ultragcn", slates, **words)
    made, backbone = trained.loss, trained.backbone
    assert isinstance(made, UltraGCN)
    batch = next(made.sampler.batches(view, 9, torch.Generator().manual_seed(0)))
    value = made.objective(backbone, batch)
    tables = backbone.get_parameter("user_table"), backbone.get_parameter("item_table")
    expected = by_loop(made, view, batch, *tables)
    torch.testing.assert_close(value, expected)
    found, wanted = (torch.autograd.grad(x, tables) for x in (value, expected))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_neighbours_are_not_penalised_by_the_backbone(view: Dataset) -> None:
    """With no weight but the penalty's, an item off the slate has no gradient."""
    nothing = dict.fromkeys(PLAIN, "0")
    made = model(view, "ultragcn", source="own", negatives="2", **nothing)
    made.backbone.l2 = torch.tensor(1.0)
    batch = next(made.loss.sampler.batches(view, 4, torch.Generator().manual_seed(0)))
    made.loss.objective(made.backbone, batch).backward()
    gradient = made.backbone.get_parameter("item_table").grad
    assert gradient is not None
    assert set(gradient.any(1).nonzero()[:, 0].tolist()) == set(batch.item.flatten().tolist())


def test_an_item_may_be_its_own_neighbour_or_not(view: Dataset) -> None:
    for diagonal in (True, False):
        made = model(view, "ultragcn", diagonal=str(diagonal).lower()).loss
        assert isinstance(made, UltraGCN)
        own = (made.near == torch.arange(len(made.near))[:, None]) & (made.omega > 0)
        assert bool(own.any(1).all()) == diagonal and bool(own.any()) == diagonal


def test_branches_trained_apart_each_draw_the_neighbours(view: Dataset) -> None:
    words = dict.fromkeys(PLAIN, "0") | {"item_weight": "1"}
    values = prefixed("loss", resolve(UltraGCN, words)) | {"backbone.pretrain": 1}
    made = build(view, "ultragcn", "neumf", values, seed=0, schedule=Schedule(epochs=2))
    made.start_epoch(1)
    batch = next(made.loss.sampler.batches(view, 9, torch.Generator().manual_seed(0)))
    assert isinstance(made.loss, UltraGCN)
    positive = batch.item[0, : len(batch.user)]
    near = made.backbone.encode(replace(batch, item=made.loss.near[positive], mask=None))
    costs = [(made.loss.omega[positive] * softplus(-branch[..., 0])).sum(1).mean() for branch in near.apart]
    assert len(costs) == 2
    torch.testing.assert_close(made.loss.objective(made.backbone, batch), sum(costs, start=torch.zeros(())))
