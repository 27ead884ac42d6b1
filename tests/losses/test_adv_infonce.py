"""Softmax loss against an adversary: published values, and who learns in which epoch."""

from __future__ import annotations

from math import log
from typing import Any

import pytest
import torch

from recbench.data.dataset import Dataset
from recbench.losses.adv_infonce import AdvInfoNCE
from recbench.samplers import Pool, Triplets
from recbench.training.model import Model
from tests.losses.sampled_slates import inner_products, loss_by_words, losses_of, model, slate
from tests.losses.sampled_softmax_slates import check_gradient, loss_of, random_batch, slopes, value


def adversary(made: Any, logits: list[float]) -> AdvInfoNCE:
    """Set the first user's logits of the first items."""
    assert isinstance(made, AdvInfoNCE)
    with torch.no_grad():
        made.user.fill_(1.0)
        made.item[: len(logits), 0] = torch.tensor(logits, dtype=made.item.dtype)
    return made


@pytest.mark.parametrize(("weight", "expected"), [("64", 4.928695979088593), ("1", None)])
def test_published_value(weight: str, expected: float | None) -> None:
    towers, batch, _ = slate([[0.5, 0.6, 0.2, -0.1]])
    batch = batch.__class__(batch.user, torch.tensor([[3, 0, 1, 2]]), batch.label)
    made = adversary(loss_by_words("adv-infonce", weight=weight, dim="1", scale=str(1 / 0.28)), [0.3, -0.2, 0.1])
    found = float(loss_of(made, towers, batch).detach())
    if expected is None:  # by hand, from the q of the same source
        q = torch.tensor([0.41232668557957836, 0.2500887766217052, 0.33758453779871644], dtype=torch.double)
        gap = (torch.tensor([0.6, 0.2, -0.1], dtype=torch.double) - 0.5) / 0.28
        expected = log(1 + 3 * float((q * gap.exp()).sum()))
    assert found == pytest.approx(expected, abs=1e-6)


def test_an_adversary_that_knows_nothing_is_infonce() -> None:
    towers, batch, _ = slate([[0.5, 0.6, 0.2, -0.1]])
    made = adversary(loss_by_words("adv-infonce", dim="1"), [0.0] * 40)
    assert float(loss_of(made, towers, batch).detach()) == pytest.approx(value("ssm"), abs=1e-9)


@pytest.mark.parametrize("sampler", [Pool(negatives=6), Triplets(4)], ids=str)
def test_the_adversary_sees_the_items_of_each_slate(sampler: Pool | Triplets, view: Dataset) -> None:
    batch, inner = random_batch(view, sampler)
    made = loss_by_words("adv-infonce", dim="5")
    assert isinstance(made, AdvInfoNCE) and batch.mask is not None
    total = 0.0
    for place, user in enumerate(batch.user.tolist()):
        items = batch.item[0 if len(batch.item) == 1 else place]
        counts = batch.mask[place] & (batch.label[place, :, 0] == 0)
        (positive,) = inner[place, :, 0][batch.label[place, :, 0] > 0]
        q = (made.item[items[counts]] @ made.user[user]).softmax(0)
        gap = 10 * (inner[place, :, 0][counts] - positive)
        total += float((1 + counts.sum() * (q * gap.exp()).sum()).log().detach())
    found = loss_of(made, inner_products(inner), batch)
    assert float(found.detach()) == pytest.approx(total / len(batch.user), rel=1e-6)


def parameters(made: Model) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return copies of the parameters of backbone and adversary."""
    both = (made.backbone, made.loss)
    return tuple([p.detach().clone() for p in module.parameters()] for module in both)  # type: ignore[return-value]


def test_model_and_adversary_learn_in_turn(view: Dataset) -> None:
    made = model(view, "adv-infonce", rounds="2")
    for epoch in range(1, 16):
        (backbone, adversary), _ = parameters(made), losses_of(made, view, epoch)
        backbone_after, adversary_after = parameters(made)
        turn = epoch in (3, 8)
        assert all(torch.equal(x, y) == turn for x, y in zip(backbone, backbone_after, strict=True))
        assert all(torch.equal(x, y) != turn for x, y in zip(adversary, adversary_after, strict=True))


def test_the_adversary_raises_the_loss(view: Dataset) -> None:
    made = model(view, "adv-infonce", adversary_lr="0.05")
    batch = next(made.loss.sampler.batches(view, 64, torch.Generator().manual_seed(0)))
    made.start_epoch(3)
    values = [float(made.loss.step(made.backbone, batch, made.optimizer)) for _ in range(20)]
    assert values == sorted(values) and values[-1] > values[0] + 0.1
    made.start_epoch(4)
    values = [float(made.loss.step(made.backbone, batch, made.optimizer)) for _ in range(20)]
    assert values[-1] < values[0]


def test_the_model_sees_the_adversary_as_constant(view: Dataset) -> None:
    check_gradient("adv-infonce", view)
    batch, inner = random_batch(view, Pool(negatives=6))
    assert loss_of(loss_by_words("adv-infonce"), inner_products(inner.detach()), batch).requires_grad is False
    assert len(slopes("adv-infonce")) == 4


def test_slates(view: Dataset) -> None:
    for name in ("adv-infonce",):
        torch.manual_seed(0)
        assert loss_by_words(name, negatives="7").sampler == Pool(negatives=7)
        assert loss_by_words(name, source="own", negatives="7").sampler == Triplets(7)
