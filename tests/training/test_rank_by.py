"""Trained on cosines, ranked by inner products."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from recbench.backbones.building_blocks.two_sides import EntityEncoder, TwoSidedBackbone
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, defaults
from recbench.losses.building_blocks.backbone_vectors import snapshot
from recbench.settings import Value
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule
from recbench.training.scorer import Scorer


def model(data: Dataset, loss: str, backbone: str, **of_loss: Value) -> Model:
    values = {**defaults(LOSSES.get(loss)), "cosine": True, "logit": "fixed", "scale": 8.0, **of_loss}
    prefixed = {f"loss.{name}": value for name, value in values.items()}
    return build(data, loss, backbone, {**prefixed, "backbone.dim": 8}, seed=0, schedule=Schedule(lr=0.1))


@pytest.mark.parametrize("backbone", ["mf", "lightgcn", "twintower"])
def test_scores_are_inner_products_where_training_reads_cosines(toy: Dataset, backbone: str) -> None:
    data = toy.narrow(["view"])
    users, items = torch.arange(len(data.users)), torch.arange(len(data.items))[None]
    made = model(data, "ssm", backbone, rank_by="inner-products")
    free = made.backbone.embed(users, items)
    user, item = free.user[:, 0], free.item[0, :, 0]
    trained = made.backbone(users, items)
    torch.testing.assert_close(trained.user[:, 0], normalize(user, dim=-1))
    torch.testing.assert_close(Scorer(made.backbone, made.loss).block(users, 0), 8 * user @ item.T)
    usual = model(data, "ssm", backbone)
    by_cosine = 8 * normalize(user, dim=-1) @ normalize(item, dim=-1).T
    torch.testing.assert_close(Scorer(usual.backbone, usual.loss).block(users, 0), by_cosine)
    assert not torch.equal(by_cosine.argsort(), (user @ item.T).argsort())
    if isinstance(made.backbone, TwoSidedBackbone):
        encoder = EntityEncoder(made.backbone, "item").eval()
        torch.testing.assert_close(encoder(data.items.value, data.items.dense), free.item[0])


def test_what_a_loss_makes_of_the_vectors_is_ranked_likewise(toy: Dataset) -> None:
    made = model(toy, "aitm", "mf", rank_by="inner-products")
    length = Scorer(made.backbone, made.loss).item.norm(dim=-1)
    assert (length - 1).abs().min() > 1e-3


@pytest.mark.parametrize("backbone", ["mf", "lightgcn", "twintower"])
def test_losses_and_samplers_compare_with_vectors_of_training(toy: Dataset, backbone: str) -> None:
    """Quantiles of `sl-at-k`, for one, are of the cosines that it trains on."""
    data = toy.narrow(["view"])
    made = model(data, "sl-at-k", backbone, rank_by="inner-products", k=3)
    trained = made.backbone(torch.arange(len(data.users)), torch.arange(len(data.items))[None])
    user, item = snapshot(made.backbone)
    torch.testing.assert_close(user, trained.user[:, 0])
    torch.testing.assert_close(item, trained.item[0, :, 0])


def test_it_needs_cosines(toy: Dataset) -> None:
    with pytest.raises(UsageError, match=r"loss.rank_by=inner-products needs loss.cosine=true"):
        model(toy.narrow(["view"]), "bpr", "mf", cosine=False, rank_by="inner-products")
