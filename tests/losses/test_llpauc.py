"""Lower-left partial AUC: published values, who descends and who ascends, and the AUC loss that it is in the limit."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest
import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.losses.llpauc import AUXILIARY, LLPAUC
from recbench.samplers import Pool, Triplets
from tests.losses.by_hand import sigmoid, softplus
from tests.losses.sampled_slates import inner_products, loss_by_words, losses_of, model, slate
from tests.losses.sampled_softmax_slates import check_slates, random_batch, rows


def made_with(auxiliary: dict[str, float] | None = None, **words: str) -> LLPAUC:
    made = loss_by_words("llpauc", **words)
    assert isinstance(made, LLPAUC)
    with torch.no_grad():
        for name, number in (auxiliary or {}).items():
            made.auxiliary[name].fill_(number)
    return made


def by_hand(positives: list[float], negatives: list[float], alpha: float, beta: float, **v: float) -> float:
    up, down = ([sigmoid(logit) for logit in logits] for logits in (positives, negatives))
    slack = [-((x - v["a"]) ** 2) + 2 * (1 + v["gamma"]) * x - v["positive_threshold"] for x in up]
    excess = [(x - v["b"]) ** 2 + 2 * (1 + v["gamma"]) * x - v["negative_threshold"] for x in down]
    value = v["negative_threshold"] - v["positive_threshold"]
    value += fmean(softplus(5 * x) / 5 for x in excess) / beta - fmean(softplus(5 * x) / 5 for x in slack) / alpha
    value -= v["gamma"] ** 2 + v["multiplier_b"] * (v["b"] - 1 - v["gamma"])
    return value + v["multiplier_a"] * (v["a"] + v["gamma"])


def two_slates() -> tuple[Towers, Batch]:
    """Two positives and three negatives of one batch, each of which counts alike."""
    towers, batch, _ = slate([[1.2, 0.4, -1.0], [-0.3, 0.1, 9.0]])
    return towers, replace(batch, mask=torch.tensor([[True, True, True], [True, True, False]]))


def test_published_value() -> None:
    assert float(made_with()(*two_slates()).detach()) == pytest.approx(
        7.145752830833285, rel=1e-6
    )  # of settings in float32


def test_another_point_by_hand() -> None:
    """Far from the start in all auxiliary variables."""
    other = dict(zip(AUXILIARY, (0.8, 0.3, 0.2, 0.9, 0.1, 0.7, 0.4), strict=True))
    found = made_with(other, alpha="0.625", beta="0.25")(*two_slates())
    expected = by_hand([1.2, -0.3], [0.4, -1.0, 0.1], 0.625, 0.25, **other)
    assert float(found.detach()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("sampler", [Pool(negatives=6), Triplets(4)], ids=str)
def test_in_the_limit_it_is_the_squared_loss_of_the_auc(sampler: Pool | Triplets, view: Dataset) -> None:
    """With alpha and beta 1, a sharp softplus and the best auxiliaries: the mean of (1 - x+ + x-)^2 over all pairs."""
    batch, inner = random_batch(view, sampler)
    taken = rows(batch, inner.sigmoid())
    positive = torch.tensor([x for _, x, _ in taken])
    negative = torch.tensor([x for _, _, several in taken for x in several])
    a, b = float(positive.mean()), float(negative.mean())
    best = {"a": a, "b": b, "gamma": b - a, "positive_threshold": -50.0, "negative_threshold": -50.0}
    made = made_with(best | {"multiplier_a": 0.0, "multiplier_b": 0.0}, alpha="1", beta="1", kappa="1e4")
    found = made(inner_products(inner), batch)
    expected = (1 - positive[:, None] + negative).square().mean() - 1
    assert float(found.detach()) == pytest.approx(float(expected), abs=1e-5)


def test_a_part_of_the_positives_and_negatives() -> None:
    """With the best thresholds only the highest half of the positives and the highest quarter of negatives matter."""
    logit = torch.tensor([[2.0, 1.0, -1.0, -2.0, 0.5], [-1.0, -3.0, 0.0, -0.5, -1.5]], dtype=torch.double)
    towers, batch, inner = slate(logit.tolist())
    x = logit.sigmoid()
    high = x[:, 1:].flatten().topk(2).values
    # ranked by 2 x - x^2 and x^2 + 2 x, whose values at the border are the best thresholds
    border = {"positive_threshold": float(2 * x[0, 0] - (x[0, 0] - 1) ** 2) - 1e-3}
    border["negative_threshold"] = float(high[1] ** 2 + 2 * high[1]) - 1e-3
    none = {"multiplier_a": 0.0, "multiplier_b": 0.0}
    made = made_with(border | none, alpha="0.5", beta="0.25", kappa="1e5")
    (slope,) = torch.autograd.grad(made(towers, batch), inner)
    chosen = slope[..., 0].abs() > 1e-6
    assert int(chosen[:, 1:].sum()) == 2
    assert chosen[:, 1:].equal(x[:, 1:] >= high[1])
    assert chosen[:, 0].tolist() == [True, False]


def test_gradients_descend_but_for_gamma_and_the_positives_threshold(view: Dataset) -> None:
    batch, inner = random_batch(view, Pool(negatives=6))
    made = made_with()
    made(inner_products(inner), batch).backward()
    for name in AUXILIARY:
        start, step = float(made.auxiliary[name].detach()), 1e-6
        values = []
        for number in (start + step, start - step):
            values.append(float(made_with({name: number})(inner_products(inner), batch).detach()))
        found = made.auxiliary[name].grad
        assert found is not None
        sign = -1 if name in ("gamma", "positive_threshold") else 1
        assert float(found) == pytest.approx(sign * (values[0] - values[1]) / (2 * step), abs=1e-6), name


def test_gradients_of_the_scores(view: Dataset) -> None:
    batch, inner = random_batch(view, Pool(negatives=6))
    made = made_with()
    for parameter in made.parameters():
        parameter.requires_grad_(False)

    def found(x: Tensor) -> Tensor:
        return made(inner_products(x), batch)

    assert torch.autograd.gradcheck(found, inner)


def test_auxiliary_variables_stay_in_their_ranges(view: Dataset) -> None:
    made = model(view, "llpauc")
    assert isinstance(made.loss, LLPAUC)
    with torch.no_grad():
        for parameter in made.loss.auxiliary.values():
            parameter.fill_(-100)
    losses_of(made, view)
    for name, (_, low, high) in AUXILIARY.items():
        assert low <= float(made.loss.auxiliary[name].detach()) <= high


def test_a_fraction_of_0_is_refused() -> None:
    for key in ("alpha", "beta"):
        with pytest.raises(UsageError, match=rf"loss.{key}=0.0: expected a number in \(0, 1\]"):
            loss_by_words("llpauc", **{key: "0"})


def test_slates(view: Dataset) -> None:
    check_slates("llpauc", view)
