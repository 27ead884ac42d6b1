"""Softmax loss for the first K places: published values, the quantiles by sorting, and when they are found."""

from __future__ import annotations

from math import log
from statistics import fmean

import pytest
import torch

from recbench.data.dataset import Dataset
from recbench.losses.building_blocks.backbone_vectors import snapshot
from recbench.losses.sl_at_k import SLAtK
from recbench.samplers import Pool
from recbench.training.model import Model
from tests.losses.by_hand import sigmoid
from tests.losses.sampled_slates import inner_products, loss_by_words, model, slate
from tests.losses.sampled_softmax_slates import (
    NEGATIVES,
    POSITIVE,
    check_gradient,
    check_slates,
    loss_of,
    random_batch,
    rows,
    slopes,
    value,
)

WORDS = {"scale": "5", "weight_temperature": "2.25"}


@pytest.mark.parametrize(("detach", "slope"), [("true", -2.5277766347157984), ("false", -2.4552102375520235)])
def test_published_values(detach: str, slope: float) -> None:
    towers, batch, inner = slate([[POSITIVE, *NEGATIVES]])
    made = loss_by_words("sl-at-k", detach=detach, **WORDS)
    made.quantile.fill_(0.45)  # type: ignore[operator]
    found = loss_of(made, towers, batch)
    assert float(found.detach()) == pytest.approx(0.33021772205385524, abs=1e-6)
    (slopes_found,) = torch.autograd.grad(found, inner)
    assert float(slopes_found[0, 0]) == pytest.approx(slope, abs=1e-6)


def test_a_large_weight_temperature_gives_half_the_softmax_loss() -> None:
    found = slopes("sl-at-k", weight_temperature="1e9")
    assert found == pytest.approx([slope / 2 for slope in slopes("ssm", denominator="negatives")], abs=1e-6)


def test_weights_of_mean_1(view: Dataset) -> None:
    batch, inner = random_batch(view, Pool(negatives=6))
    made = loss_by_words("sl-at-k", normalise="true", scale="1")
    quantile = torch.linspace(-1, 1, 30, dtype=torch.double)
    made.quantile.copy_(quantile)  # type: ignore[operator]
    taken = rows(batch, inner)
    weight = [sigmoid(positive - float(quantile[user])) for user, positive, _ in taken]
    softmax = [log(float(torch.tensor(others).exp().sum())) - positive for _, positive, others in taken]
    expected = fmean(w / fmean(weight) * cost for w, cost in zip(weight, softmax, strict=True))
    found = loss_of(made, inner_products(inner), batch)
    assert float(found.detach()) == pytest.approx(expected, abs=1e-6)


def made_for(view: Dataset, **words: str) -> tuple[Model, SLAtK]:
    made = model(view, "sl-at-k", **words)
    assert isinstance(made.loss, SLAtK)
    with torch.no_grad():
        for parameter in made.backbone.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(5))
    return made, made.loss


@pytest.mark.parametrize("k", [1, 3, 20])
def test_quantiles_of_the_whole_catalogue_are_those_of_sorted_scores(k: int, view: Dataset) -> None:
    made, loss = made_for(view, k=str(k))
    made.start_epoch(1)
    user, item = snapshot(made.backbone)
    score = user[: view.users.seen] @ item[: view.items.seen].T
    torch.testing.assert_close(loss.quantile, score.sort(1, descending=True).values[:, k - 1])


def test_quantiles_are_found_in_every_fifth_epoch(view: Dataset) -> None:
    made, loss = made_for(view)
    for epoch in range(1, 12):
        before = loss.quantile.clone()
        with torch.no_grad():
            for parameter in made.backbone.parameters():
                parameter.normal_()
        made.start_epoch(epoch)
        assert torch.equal(before, loss.quantile) == (epoch not in (1, 6, 11))


@pytest.mark.parametrize("detach", ["false"])
def test_gradients(detach: str, view: Dataset) -> None:
    check_gradient("sl-at-k", view, detach=detach)
    check_gradient("sl-at-k", view, detach=detach, normalise="true")


def test_slates(view: Dataset) -> None:
    check_slates("sl-at-k", view)
    assert value("sl-at-k") != 0


def test_a_k_of_the_whole_catalogue_is_noted(view: Dataset) -> None:
    items = view.info.items
    (note,) = made_for(view, k=str(items))[1].notes
    assert f"loss.k={items} covers all {items} items" in note
    assert not made_for(view, k=str(items - 1))[1].notes


def test_a_k_beyond_the_catalogue_is_the_softmax_loss(view: Dataset) -> None:
    """No user has that many items, so that every positive is among the first K and weighs 1."""
    made, loss = made_for(view, k=str(view.info.items + 1))
    made.start_epoch(1)
    assert torch.equal(loss.quantile, torch.full_like(loss.quantile, -torch.inf))
    assert torch.equal(torch.sigmoid(torch.tensor(0.3) - loss.quantile), torch.ones_like(loss.quantile))
