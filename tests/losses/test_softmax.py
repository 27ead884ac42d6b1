"""Sampled softmax by hand and against torch."""

from __future__ import annotations

from math import exp, log

import pytest
import torch
from torch.nn.functional import cross_entropy

from recbench.data.dataset import Dataset
from recbench.samplers import InBatch, Shared
from tests.losses.sampled_slates import (
    INFO,
    inner_products,
    loss_by_words,
    losses_of,
    model,
    model_on,
    shared_batch,
    slate,
)


@pytest.mark.parametrize("correct", ["true", "false"])
def test_softmax_by_hand(correct: str) -> None:
    """Four positives as each other's negatives, whose shares of the rows are 0.4, 0.3, 0.2 and 0.1."""
    towers, batch, _ = slate([[1.2, 0.3, -0.5, 0.0]], [[log(0.4), log(0.3), log(0.2), log(0.1)]])
    made = loss_by_words("softmax", source="batch", correct=correct)
    share = [0.4, 0.3, 0.2, 0.1] if correct == "true" else [1.0] * 4
    mass = [exp(score) / q for score, q in zip((1.2, 0.3, -0.5, 0.0), share, strict=True)]
    assert float(made(towers, batch).detach()) == pytest.approx(-log(mass[0] / sum(mass)), abs=1e-9)


@pytest.mark.parametrize("sampler", [Shared(negatives=4), InBatch()], ids=str)
def test_softmax_is_cross_entropy_over_what_counts(sampler: Shared | InBatch, view: Dataset) -> None:
    batch, inner = shared_batch(view, sampler)
    assert batch.mask is not None
    correct = isinstance(sampler, InBatch)
    logit = inner[..., 0] if not correct else inner[..., 0] - batch.log_q
    target = torch.arange(len(batch.user))
    expected = cross_entropy(logit.masked_fill(~batch.mask, -torch.inf), target)
    found = loss_by_words("softmax", source="batch" if correct else "pool")(inner_products(inner), batch)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("correct", ["true", "false"])
def test_softmax_on_a_sampler_is_softmax_with_that_source(correct: str, view: Dataset) -> None:
    for source, sampler, words in (("batch", "in-batch", {}), ("pool", "shared", {"negatives": 1})):
        whole = losses_of(model(view, "softmax", source=source, correct=correct), view)
        assert torch.equal(whole, losses_of(model_on(view, "softmax", sampler, words, correct=correct), view))


def test_softmax_on_mixed_slates_corrects_for_the_mixture(view: Dataset) -> None:
    made = model_on(view, "softmax", "mixed", {"uniform": 0.5}).loss.double()
    batch = next(made.sampler.batches(view, 8, torch.Generator().manual_seed(0)))
    assert batch.log_q is not None and batch.mask is not None
    inner = torch.randn(8, 12, 1, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    logit = (inner[..., 0] - batch.log_q).masked_fill(~batch.mask, -torch.inf)
    torch.testing.assert_close(made(inner_products(inner), batch), cross_entropy(logit, torch.arange(8)))


def test_softmax_is_croloss_with_kernel_exp_and_alpha_1(view: Dataset) -> None:
    """Equation 24 scales the rank by |I| / |I'| and W_1 divides its log by log(|I| + 1)."""
    batch, inner = shared_batch(view, Shared(negatives=4))
    assert batch.mask is not None
    softmax = loss_by_words("softmax")(inner_products(inner), batch)
    (slope,) = torch.autograd.grad(softmax, inner)
    negatives = batch.mask[:, len(batch.user) :].sum(1).double()
    for normalise, unit, shift in (
        ("paper", log(INFO.items + 1), float((INFO.items / negatives).log().mean())),
        ("code", 1.0, 0.0),
    ):
        croloss = loss_by_words("croloss", kernel="exp", alpha="1", normalise=normalise)(inner_products(inner), batch)
        (other,) = torch.autograd.grad(croloss, inner)
        assert float(croloss.detach()) == pytest.approx((float(softmax.detach()) + shift) / unit, abs=1e-12)
        torch.testing.assert_close(other * unit, slope, rtol=1e-12, atol=1e-15)
