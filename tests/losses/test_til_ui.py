"""TIL with one interest: its backbone's step, and what is noted of its weights."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import embedding, embedding_bag, logsigmoid

from recbench.backbones.base import BACKBONES
from recbench.backbones.mf import MF
from recbench.batch import Towers
from recbench.errors import UsageError
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.triplet_importance import with_negative
from recbench.samplers import Triplets
from recbench.settings import defaults
from recbench.training.model import build
from recbench.training.schedule import Schedule
from tests.losses.til_models import (
    LEARNED,
    OF_THE_PAPER,
    always_one,
    batches,
    clusters,
    data,
    model,
    run_epoch,
    til,
    weights_before_a_step,
)


@pytest.mark.parametrize("backbone", [*OF_THE_PAPER, "twintower", "ytdnn"])
def test_with_all_weights_one_the_backbone_s_step_is_that_of_bpr(backbone: str) -> None:
    of, plain = model("til-ui", backbone), model("bpr", backbone)
    always_one(of)
    of.loss.start_epoch(of.backbone, 1)
    for batch in batches(of)[:3]:
        loss = of.loss.step(of.backbone, batch, of.optimizer)
        always_one(of)
        torch.testing.assert_close(loss, plain.loss.step(plain.backbone, with_negative(batch, 1), plain.optimizer))
    for name, expected in plain.backbone.state_dict().items():
        torch.testing.assert_close(of.backbone.state_dict()[name], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("backbone", [*OF_THE_PAPER, "twintower", "ytdnn"])
@pytest.mark.parametrize("outer", ["fresh", "same"])
def test_the_outer_gradient_does_not_leak_into_the_backbone(backbone: str, outer: str) -> None:
    of = model("til-ui", backbone, outer=outer, lookahead="5")
    of.loss.start_epoch(of.backbone, 1)
    batch = batches(of)[0]
    inner = with_negative(batch, 1)
    by_hand = deepcopy(of.backbone)
    optimizer = torch.optim.Adam(by_hand.parameters(), lr=0.01)
    weight = weights_before_a_step(of, inner)
    assert float(weight.std()) > 0
    towers = by_hand.encode(inner)
    logit = towers.logit[..., 0]
    loss = -(weight * logsigmoid(logit[:, 0] - logit[:, 1])).mean() + towers.regulariser(inner)
    loss.backward()
    gradients = {name: p.grad for name, p in by_hand.named_parameters()}
    optimizer.step()
    returned = of.loss.step(of.backbone, batch, of.optimizer)
    torch.testing.assert_close(returned, loss.detach())
    for name, p in of.backbone.named_parameters():
        torch.testing.assert_close(p.grad, gradients[name], rtol=1e-4, atol=1e-8)
        torch.testing.assert_close(p, by_hand.get_parameter(name), rtol=0, atol=1e-4)


def test_items_that_are_only_outer_negatives_stay_where_they_are() -> None:
    of = model("til-ui", lookahead="5")
    of.loss.start_epoch(of.backbone, 1)
    batch = batches(of)[0]
    batch = replace(batch, user=batch.user[:5], item=batch.item[:5], label=batch.label[:5], mask=None, log_q=None)
    only = set(batch.item[:, 2].tolist()) - set(batch.item[:, :2].flatten().tolist())
    assert only
    before = of.backbone.tables()[1]
    of.loss.step(of.backbone, batch, of.optimizer)
    moved = (of.backbone.tables()[1] != before).flatten(1).any(1).nonzero()[:, 0].tolist()
    assert set(moved) == set(batch.item[:, :2].flatten().tolist())


@pytest.mark.parametrize(
    "backbone", [name for name in BACKBONES.names() if "forward derivatives" in BACKBONES.get(name).offers]
)
def test_it_works_on_every_backbone_with_forward_derivatives(backbone: str) -> None:
    of = model("til-mi", backbone, **LEARNED)
    loss = run_epoch(of, 1)
    assert loss.isfinite().all()
    for module in (of.backbone, of.loss):
        assert all(bool(p.isfinite().all()) for p in module.parameters())
    moved = [float(p.grad.abs().max()) for p in til(of).network.parameters() if p.grad is not None]
    assert len(moved) == 4
    assert max(moved) > 0


def test_a_backbone_without_forward_mode_derivatives_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def embed(self: MF, user: Tensor, item: Tensor) -> Towers:
        one = torch.ones(len(user), 1)
        of_user = embedding_bag(user[:, None], self.user_table, mode="sum", per_sample_weights=one)
        return Towers(of_user[:, None], embedding(item, self.item_table)[:, :, None])

    monkeypatch.setattr(MF, "embed", embed)
    with pytest.raises(UsageError, match="loss `til-ui` needs forward-mode derivatives, .* backbone `mf`"):
        run_epoch(model("til-ui"), 1)


def test_the_vectors_of_neumf_are_those_of_both_branches() -> None:
    of = model("til-mi", "neumf", dim=2, clusters="4", **LEARNED)
    of.loss.start_epoch(of.backbone, 1)
    log, table = data().train, dict(of.backbone.named_parameters())["item_table"].detach()
    assert table.shape[1] == 5
    assert til(of).network.first.in_features == 10
    assert clusters(of).centres.shape == (4, 5)
    liked = log.item[(log.user == 7) & (log.label[:, 0] > 0)].long().unique()
    torch.testing.assert_close(til(of).interest[7], table[liked].mean(0))


def test_looking_ahead_leaves_running_statistics_alone() -> None:
    values = {f"loss.{key}": value for key, value in base.resolve(LOSSES.get("til-ui"), {}).items()}
    values |= {f"backbone.{key}": value for key, value in defaults(BACKBONES.get("mmfi")).items()}
    values["backbone.batch_norm"] = True
    of = build(data(), "til-ui", "mmfi", values, seed=0, schedule=Schedule(lr=0.01))
    plain_values = {k: v for k, v in values.items() if k.startswith("backbone.")}
    plain_values |= {f"loss.{key}": value for key, value in base.resolve(LOSSES.get("bpr"), {}).items()}
    plain = build(data(), "bpr", "mmfi", plain_values, seed=0, schedule=Schedule(lr=0.01))
    of.loss.start_epoch(of.backbone, 1)
    batch = batches(of)[0]
    before = deepcopy(of.backbone.state_dict())
    of.loss.step(of.backbone, batch, of.optimizer)
    plain.loss.step(plain.backbone, with_negative(batch, 1), plain.optimizer)
    running = [name for name in before if "running" in name]
    assert running
    for name in running:
        assert not torch.equal(of.backbone.state_dict()[name], before[name])
        torch.testing.assert_close(of.backbone.state_dict()[name], plain.backbone.state_dict()[name])


@pytest.mark.parametrize("backbone", ["mf", "lightgcn"])
def test_interest_is_the_mean_of_the_training_items(backbone: str) -> None:
    of, log = model("til-ui", backbone), data().train
    of.loss.start_epoch(of.backbone, 1)
    item = of.backbone.tables()[1][:, 0]
    for user in range(30):
        liked = log.item[(log.user == user) & (log.label[:, 0] > 0)].long().unique()
        expected = item[liked].mean(0) if len(liked) else torch.zeros(8)
        torch.testing.assert_close(til(of).interest[user], expected)


def test_the_outer_negatives_are_fresh_unless_the_same_are_wanted() -> None:
    assert model("til-ui").loss.sampler == Triplets(2)
    assert model("til-ui", outer="same").loss.sampler == Triplets(1)


def test_the_weights_of_the_last_epoch_are_noted() -> None:
    of = model("til-ui")
    always_one(of)
    with torch.no_grad():
        til(of).network.last.bias.zero_()
    til(of).network.requires_grad_(False)
    of.loss.start_epoch(of.backbone, 1)
    for batch in batches(of)[:-1]:
        til(of)._keep_weights(
            with_negative(batch, 1), torch.full((len(batch.user),), 0.5), torch.ones(len(batch.user)) > 0
        )
    assert of.loss.notes == []
    batch = batches(of)[-1]
    counts = torch.ones(len(batch.user)) > 0
    counts[0] = False
    til(of)._keep_weights(with_negative(batch, 1), torch.full((len(batch.user),), 0.5), counts)
    of.end_epoch()
    assert of.loss.notes == [
        "triplet weights of the last epoch: mean 0.5, sd 0, quantiles 5/25/50/75/95 % 0.5 0.5 0.5 0.5 0.5; "
        "means by popularity of the positive, rare to popular: 0.5 0.5 0.5 0.5",
        "the triplet weights hardly differ, which is plain BPR; try a lower loss.weight_lr",
    ]
    torch.testing.assert_close(til(of).importance[:, 0], torch.full((5,), 0.5))


def test_weights_that_vanish_are_noted() -> None:
    of = model("til-ui", weight_lr="1e-6")
    with torch.no_grad():
        til(of).network.last.bias.fill_(-10)
    run_epoch(of, 1)
    assert of.loss.notes[1:] == ["the triplet weights fell to almost 0 in epoch 1; try a lower loss.weight_lr"]
