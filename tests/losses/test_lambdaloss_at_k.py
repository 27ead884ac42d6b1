"""LambdaLoss of NDCG@K, pair by pair from ranks of sorted slates."""

from __future__ import annotations

from math import log2
from statistics import fmean

import pytest
import torch

from recbench.data.dataset import Dataset
from recbench.samplers import Pool, Triplets
from tests.losses.by_hand import softplus
from tests.losses.sampled_slates import INFO, inner_products, loss_by_words, slate
from tests.losses.sampled_softmax_slates import check_slates, loss_of, random_batch, rows


def by_hand(positive: float, negatives: list[float], k: int, weight: str = "paper", step: float = 1.0) -> float:
    order = sorted([(-positive, 1), *((-score, 0) for score in negatives)])
    rank = {score: 1 + step * place for place, (score, _) in enumerate(order)}
    own, total = rank[-positive], 0.0
    for score in negatives:
        other = rank[-score]
        distance = abs(own - other)
        gain = 1 / log2(1 + distance)
        if weight == "paper":
            gain -= 1 / log2(2 + distance)
        if max(own, other) > k:
            gain /= 1 - 1 / log2(1 + max(own, other))
        total += gain * softplus(score - positive) / softplus(0)
    return total


@pytest.mark.parametrize("weight", ["paper", "benchmark"])
@pytest.mark.parametrize("k", [1, 3, 20])
@pytest.mark.parametrize("sampler", [Pool(negatives=12), Triplets(9)], ids=str)
def test_pair_by_pair(sampler: Pool | Triplets, k: int, weight: str, view: Dataset) -> None:
    batch, inner = random_batch(view, sampler)
    for scaled in (True, False):
        words = {"k": str(k), "weight": weight, "scale_ranks": str(scaled)}
        expected = fmean(
            by_hand(positive, negatives, k, weight, max(1.0, INFO.items / len(negatives)) if scaled else 1.0)
            for _, positive, negatives in rows(batch, inner)
        )
        found = loss_of(loss_by_words("lambdaloss-at-k", **words), inner_products(inner), batch)
        assert float(found.detach()) == pytest.approx(expected, rel=1e-6)


def test_two_slots_by_hand() -> None:
    """Ranks 1 and 2, both within K: 1 / log2(2) - 1 / log2(3)."""
    towers, batch, _ = slate([[0.4, -0.3]])
    found = loss_of(loss_by_words("lambdaloss-at-k", scale_ranks="false"), towers, batch)
    assert float(found.detach()) == pytest.approx((1 - 1 / log2(3)) * softplus(-0.7) / softplus(0), abs=1e-9)


def test_ties_rank_the_negative_first() -> None:
    towers, batch, _ = slate([[0.0, 0.0, -1.0]])
    found = loss_of(loss_by_words("lambdaloss-at-k", scale_ranks="false"), towers, batch)
    near, _, _ = slate([[-1e-9, 0.0, -1.0]])
    other = loss_of(loss_by_words("lambdaloss-at-k", scale_ranks="false"), near, batch)
    assert float(found.detach()) == pytest.approx(float(other.detach()), abs=1e-6)


def test_gradients_are_those_of_the_costs_with_constant_weights(view: Dataset) -> None:
    """Ranks do not change within a small step, so that finite differences see constant weights too."""
    for sampler in (Pool(negatives=6), Triplets(4)):
        batch, inner = random_batch(view, sampler, size=5)
        made = loss_by_words("lambdaloss-at-k", k="2")
        found = loss_of(made, inner_products(inner), batch)
        (slope,) = torch.autograd.grad(found, inner)
        for place in ((0, 0, 0), (2, 1, 0), (4, -1, 0)):
            moved = []
            for step in (1e-6, -1e-6):
                changed = inner.detach().clone()
                changed[place] += step
                moved.append(float(loss_of(made, inner_products(changed), batch)))
            assert float(slope[place]) == pytest.approx((moved[0] - moved[1]) / 2e-6, abs=1e-6)


def test_slates(view: Dataset) -> None:
    check_slates("lambdaloss-at-k", view)
