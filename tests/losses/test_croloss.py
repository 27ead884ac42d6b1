"""CROLoss in closed form, and the losses that it is with certain kernels."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, log1p

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.nn.functional import softplus as torch_softplus

from recbench.batch import Towers
from recbench.data.dataset import Dataset
from recbench.losses.base import LOSSES, create, resolve
from recbench.losses.building_blocks.rank import BLOCK
from tests.losses.by_hand import sigmoid, softplus
from tests.losses.rank_slates import ITEMS, KERNELS, gradient, made, random_logits, value, vector

KERNEL: dict[str, Callable[[float], float]] = {
    "hinge": lambda gap: max(gap + 5, 0),
    "sigmoid": sigmoid,
    "exp": exp,
    "softplus": softplus,
}
ALPHAS = (0.0, 0.8, 1.0, 1.2, 1.4)


def area(rank: float, alpha: float) -> float:
    """W_alpha of equations 12 and 13: the integral of x^-alpha from 1 to the rank, over that to ITEMS + 1."""
    if alpha == 1:
        return log(rank) / log(ITEMS + 1)
    return (1 - rank ** (1 - alpha)) / (1 - (ITEMS + 1) ** (1 - alpha))


def rank(kernel: str) -> float:
    """The rank among the three negatives drawn, whose scores are 1 above, 3 below and 6 below the positive's."""
    return 1 + sum(KERNEL[kernel](gap) for gap in (1.0, -3.0, -6.0))


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_values_of_the_paper(kernel: str, alpha: float) -> None:
    found = value(made("croloss", kernel=kernel, alpha=alpha), vector())
    assert float(found) == pytest.approx(area(ITEMS / 3 * rank(kernel), alpha), abs=1e-12)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_values_of_the_code(kernel: str, alpha: float) -> None:
    """The code scales no rank for alpha 0 and 1, and multiplies by log(ITEMS + 1)."""
    found = value(made("croloss", kernel=kernel, alpha=alpha, normalise="code"), vector())
    scale = 1 if alpha in (0, 1) else ITEMS / 3
    assert float(found) == pytest.approx(area(scale * rank(kernel), alpha) * log(ITEMS + 1), rel=1e-12)


def test_another_margin() -> None:
    found = value(made("croloss", kernel="hinge", alpha=1.0, margin=0.5), vector())
    assert float(found) == pytest.approx(area(ITEMS / 3 * (1 + 1.5), 1.0), abs=1e-12)


@pytest.mark.parametrize("normalise", ["paper", "code"])
def test_exp_and_alpha_1_is_softmax_cross_entropy(normalise: str) -> None:
    logit = random_logits()
    loss = made("croloss", kernel="exp", alpha=1.0, normalise=normalise)
    first = torch.zeros(len(logit), dtype=torch.long)
    scale, constant = (1.0, 0.0) if normalise == "code" else (1 / log(ITEMS + 1), log(ITEMS / 8) / log(ITEMS + 1))
    expected = cross_entropy(logit, first) * scale + constant
    assert float(value(loss, logit)) == pytest.approx(float(expected), abs=1e-12)
    slope = gradient(lambda x: cross_entropy(x, first) * scale, logit)
    torch.testing.assert_close(gradient(lambda x: value(loss, x), logit), slope)


def test_hinge_and_alpha_0_is_the_triplet_loss() -> None:
    logit = random_logits()
    loss, triplet = made("croloss", kernel="hinge", alpha=0.0), made("triplet")
    terms = (logit[:, 1:] - logit[:, :1] + 5).clamp(min=0).sum(1).mean()
    assert float(value(triplet, logit)) == pytest.approx(float(terms), abs=1e-12)
    assert float(value(loss, logit)) == pytest.approx(float((1 + terms) / 8 - 1 / ITEMS), abs=1e-12)
    slope = gradient(lambda x: value(triplet, x), logit)
    torch.testing.assert_close(gradient(lambda x: value(loss, x), logit), slope / 8)


def test_softplus_and_alpha_0_is_bpr() -> None:
    logit = random_logits()
    loss = made("croloss", kernel="softplus", alpha=0.0)
    terms = torch_softplus(logit[:, 1:] - logit[:, :1]).sum(1).mean()
    assert float(value(loss, logit)) == pytest.approx(float((1 + terms) / 8 - 1 / ITEMS), abs=1e-12)
    slope = gradient(lambda x: value(made("bpr"), x), logit)  # the mean over pairs
    torch.testing.assert_close(gradient(lambda x: value(loss, x), logit), slope)


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 1.4])
@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_are_those_of_finite_differences(kernel: str, alpha: float) -> None:
    logit, mask = random_logits(), torch.rand(6, 9, generator=torch.Generator().manual_seed(1)) > 0.3
    label = torch.zeros(6, 9, dtype=torch.float64)
    label[torch.arange(6), torch.arange(6)] = 1
    mask |= label > 0
    loss = made("croloss", kernel=kernel, alpha=alpha)
    assert torch.autograd.gradcheck(lambda x: value(loss, x, label, mask), logit.requires_grad_())


def test_only_users_with_a_positive_count() -> None:
    logit = random_logits(3)
    label = torch.zeros_like(logit)
    label[:2, 0] = 1
    loss = made("croloss")
    assert float(value(loss, logit, label)) == pytest.approx(float(value(loss, logit[:2])))
    mask = torch.ones_like(logit, dtype=torch.bool)
    mask[1, 0] = False  # its positive does not count, and is no negative either
    assert float(value(loss, logit, label, mask)) == pytest.approx(float(value(loss, logit[:1])))
    assert float(value(loss, logit, torch.zeros_like(logit))) == 0


def test_a_user_without_negatives() -> None:
    """The rank is 1 of all items, by the scale of one negative drawn."""
    logit = random_logits(1, 3).requires_grad_()
    for kernel in KERNELS:
        found = value(made("croloss", kernel=kernel), logit, mask=torch.tensor([[True, False, False]]))
        assert found.item() == pytest.approx(log(ITEMS) / log(ITEMS + 1))
        (slope,) = torch.autograd.grad(found, logit)
        assert slope.eq(0).all()


def test_blocks_of_rows_change_nothing() -> None:
    users, items = 5, BLOCK // 2
    generator = torch.Generator().manual_seed(0)
    logit = torch.randn(users, items, generator=generator)
    alone = torch.stack([value(made("croloss"), row[None]) for row in logit]).mean()
    torch.testing.assert_close(value(made("croloss"), logit), alone)


def test_on_the_slates_of_its_sampler(toy: Dataset) -> None:
    """The loss of a batch is the mean over its rows of what equation 24 says of each, taken one by one."""
    data = toy.narrow(["view"])
    cls = LOSSES.get("croloss")
    loss = create(cls, data.info, resolve(cls, {"kernel": "sigmoid", "alpha": "1", "negatives": "1"}))
    batch = next(loss.sampler.batches(data, 16, torch.Generator().manual_seed(0)))
    logit = torch.randn(batch.label.shape[:2], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    nothing = torch.empty(0)
    found = loss(Towers(nothing, nothing, pair=logit[..., None]), batch)
    assert batch.mask is not None
    expected = []
    for scores, label, mask in zip(logit.tolist(), batch.label[..., 0].tolist(), batch.mask.tolist(), strict=True):
        counted = [(score, wanted) for score, wanted, counts in zip(scores, label, mask, strict=True) if counts]
        (positive,) = [score for score, wanted in counted if wanted]
        others = [score for score, wanted in counted if not wanted]
        rank = 1 + sum(1 / (1 + exp(positive - score)) for score in others)
        expected.append(log(rank * data.info.items / len(others)) / log1p(data.info.items))
    assert float(found) == pytest.approx(sum(expected) / len(expected), rel=1e-9)
