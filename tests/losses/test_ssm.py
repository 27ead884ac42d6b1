"""Softmax over sampled negatives: published values, torch's cross entropy, and corrections by hand."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest
import torch
from torch.nn.functional import cross_entropy

from recbench.data.dataset import Dataset
from recbench.samplers import InBatch, Mixed, Pool
from tests.losses.sampled_slates import inner_products, loss_by_words, losses_of, model_on, slate
from tests.losses.sampled_softmax_slates import check_gradient, check_slates, loss_of, random_batch, value


@pytest.mark.parametrize(("denominator", "expected"), [("all", 1.0721445887743322), ("negatives", 0.6531782071222881)])
def test_published_values(denominator: str, expected: float) -> None:
    assert value("ssm", scale="5", denominator=denominator) == pytest.approx(expected, abs=1e-6)


def test_it_is_cross_entropy_over_what_counts(view: Dataset) -> None:
    batch, inner = random_batch(view, Pool(negatives=12))
    assert batch.mask is not None and not batch.mask[:, 8:].all()  # some of the pool are positives
    expected = cross_entropy((inner[..., 0] * 10).masked_fill(~batch.mask, -torch.inf), torch.arange(8))
    torch.testing.assert_close(
        loss_of(loss_by_words("ssm"), inner_products(inner), batch), expected, rtol=1e-6, atol=1e-9
    )


def test_positives_that_are_not_masked_are_negatives(view: Dataset) -> None:
    batch, inner = random_batch(view, Pool(negatives=12, mask_positives=False))
    pool = torch.cat([inner.diagonal(dim1=0, dim2=1).T, inner[:, 8:, 0]], 1) * 10
    expected = cross_entropy(pool, torch.zeros(8, dtype=torch.long))
    torch.testing.assert_close(
        loss_of(loss_by_words("ssm"), inner_products(inner), batch), expected, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("correct", ["all", "negatives", "none"])
@pytest.mark.parametrize("sampler", [InBatch(), Mixed(uniform=0.5)], ids=str)
def test_corrections(sampler: InBatch | Mixed, correct: str, view: Dataset) -> None:
    batch, inner = random_batch(view, sampler)
    assert batch.mask is not None and batch.log_q is not None
    made = loss_by_words("ssm", correct=correct, scale="1")
    made.sampler = sampler
    logit = inner[..., 0] - (0 if correct == "none" else batch.log_q)
    if correct == "negatives":
        logit = torch.where(batch.label[..., 0] > 0, inner[..., 0], logit)
    expected = cross_entropy(logit.masked_fill(~batch.mask, -torch.inf), torch.arange(8))
    torch.testing.assert_close(loss_of(made, inner_products(inner), batch), expected, rtol=1e-6, atol=1e-9)


def test_a_correction_by_hand() -> None:
    towers, batch, _ = slate([[1.2, 0.3, -0.5]], [[log(0.4), log(0.3), log(0.2)]])
    mass = [exp(score) / share for score, share in zip((1.2, 0.3, -0.5), (0.4, 0.3, 0.2), strict=True)]
    for correct, own in (("all", mass[0]), ("negatives", exp(1.2))):
        made = loss_by_words("ssm", correct=correct, scale="1")
        made.sampler = InBatch()
        assert float(loss_of(made, towers, batch).detach()) == pytest.approx(
            -log(own / (own + mass[1] + mass[2])), abs=1e-12
        )


@pytest.mark.parametrize("sampler", ["in-batch", "mixed", "shared"])
def test_on_these_samplers_it_is_softmax(sampler: str, view: Dataset) -> None:
    """Which is bit for bit another sum."""
    found, other = (losses_of(model_on(view, name, sampler), view) for name in ("ssm", "softmax"))
    torch.testing.assert_close(found, other, rtol=1e-4, atol=1e-5)


def test_slates_without_a_negative_do_not_count(view: Dataset) -> None:
    batch, inner = random_batch(view, Pool(negatives=6))
    assert batch.mask is not None
    made = loss_by_words("ssm", denominator="negatives")
    mask = batch.mask.clone()
    mask[3, 8:] = False
    rest = torch.arange(8) != 3
    assert batch.positive_slots == 8
    others = replace(batch, user=batch.user[rest], label=batch.label[rest], mask=mask[rest], positive_slots=0)
    expected = loss_of(made, inner_products(inner[rest]), others)
    found = loss_of(made, inner_products(inner), replace(batch, mask=mask))
    torch.testing.assert_close(found, expected)
    (slope,) = torch.autograd.grad(found, inner)
    assert slope.isfinite().all() and not slope[3].any()


def test_gradients(view: Dataset) -> None:
    check_gradient("ssm", view)
    check_gradient("ssm", view, denominator="negatives")


def test_slates(view: Dataset) -> None:
    check_slates("ssm", view)
