"""CROLoss, its lambda form and the triplet loss against values and gradients worked out in other ways."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, log1p
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Info
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, Loss, create, defaults, resolve
from recbench.losses.building_blocks.rank import BLOCK, PowerWeight, tangent

ITEMS = 1000
INFO = Info(users=10, items=ITEMS, rates=(0.1,))
COSINES = [0.5, 0.6, 0.2, -0.1]  # of the positive and of three negatives; times tau = 10, gaps of 1, -3 and -6
KERNELS = ("hinge", "sigmoid", "exp", "softplus")
PAPER = {  # alpha 0, 0.8, 1, 1.2, 1.4
    "hinge": (2.999, 1.3278068396843539, 1.1588727380542254, 1.066098828131643, 1.0239206903916438),
    "sigmoid": (0.5926523583214021, 0.8675080137537194, 0.9243769820580752, 0.9630611669483261, 0.9843539886542455),
    "exp": (1.255849216334525, 1.0621926805949284, 1.0329449335179668, 1.0149239106487409, 1.0058579819474154),
    "softplus": (0.7871082414098983, 0.9376409174091556, 0.9653889384797267, 0.9835720813518651, 0.993243382600033),
}
CODE = {
    "hinge": (0.06217879301383698, 9.173491849676719, 2.1972245773362196, 7.3654153740768455, 7.074016963383009),
    "sigmoid": (0.012304195703414216, 5.993400136115263, 0.5771509023686789, 6.653553439927141, 6.800660323653019),
    "exp": (0.026049789090689217, 7.338428758613857, 1.3272202558976685, 7.0118604183357816, 6.949226140091569),
    "softplus": (0.016334539738375047, 6.477931169432011, 0.8604924523058318, 6.795258317840717, 6.862074966561194),
}
ALPHAS = (0.0, 0.8, 1.0, 1.2, 1.4)


def made(name: str, info: Info = INFO, **settings: object) -> Loss:
    return create(LOSSES.get(name), info, defaults(LOSSES.get(name)) | settings)  # type: ignore[arg-type]


def slates(logit: Tensor, label: Tensor | None = None, mask: Tensor | None = None) -> tuple[Towers, Batch]:
    """One slate per row of logit [B, N]; without labels, its first slot is the positive."""
    if label is None:
        label = torch.zeros_like(logit)
        label[:, 0] = 1
    nothing = torch.empty(0)
    return Towers(nothing, nothing, pair=logit[..., None]), Batch(nothing, nothing, label[..., None], mask)


def value(loss: Loss, logit: Tensor, label: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
    found: Tensor = loss(*slates(logit, label, mask))
    return found


def vector() -> Tensor:
    return torch.tensor([COSINES], dtype=torch.float64) * 10


def random_logits(users: int = 6, items: int = 9, seed: int = 0) -> Tensor:
    return torch.randn(users, items, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3


def gradient(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.detach().requires_grad_()
    (found,) = torch.autograd.grad(function(at), at)
    return found


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("kernel", KERNELS)
def test_values_of_the_paper(kernel: str, place: int) -> None:
    found = value(made("croloss", kernel=kernel, alpha=ALPHAS[place]), vector())
    assert float(found) == pytest.approx(PAPER[kernel][place], abs=1e-12)


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("kernel", KERNELS)
def test_values_of_the_code(kernel: str, place: int) -> None:
    found = value(made("croloss", kernel=kernel, alpha=ALPHAS[place], normalise="code"), vector())
    constant = log(ITEMS + 1) / ITEMS if place == 0 else 0.0
    assert float(found) + constant == pytest.approx(CODE[kernel][place], rel=1e-12)


def test_another_margin() -> None:
    found = value(made("croloss", kernel="hinge", alpha=1.0, margin=0.5), vector())
    assert float(found) == pytest.approx(0.9734653981820427, abs=1e-12)


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
    terms = softplus(logit[:, 1:] - logit[:, :1]).sum(1).mean()
    assert float(value(loss, logit)) == pytest.approx(float((1 + terms) / 8 - 1 / ITEMS), abs=1e-12)
    slope = gradient(lambda x: value(made("bpr"), x), logit)  # the mean over pairs
    torch.testing.assert_close(gradient(lambda x: value(loss, x), logit), slope)


@pytest.mark.parametrize("name", ["croloss", "croloss-lambda"])
@pytest.mark.parametrize("alpha", [1 - 1e-6, 1 + 1e-6, 1 - 1e-9, 1 + 1e-13])
def test_continuous_at_alpha_1(name: str, alpha: float) -> None:
    near, at = (value(made(name, alpha=each), vector()) for each in (alpha, 1.0))
    assert float(near) == pytest.approx(float(at), rel=1e-5)
    assert float(near) != 0


@given(st.floats(0, 3), st.floats(0, 12))
def test_the_area_is_the_integral_of_the_density(alpha: float, log_rank: float) -> None:
    weight = PowerWeight(alpha, 200_000)
    log_x = torch.linspace(0, log_rank, 4001, dtype=torch.float64)
    density = (weight.log_density(log_x) + log_x).exp()  # over d log x
    expected = torch.trapezoid(density, log_x)
    assert float(weight.area(log_x[-1])) == pytest.approx(float(expected), rel=1e-4, abs=1e-9)


def test_the_area_of_all_ranks_is_1() -> None:
    for alpha in (0.0, 0.5, 1.0, 1.4, 2.0):
        whole = torch.tensor([log(ITEMS + 1)], dtype=torch.float64)
        assert float(PowerWeight(alpha, ITEMS).area(whole)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("alpha", "normalise", "expected"),
    [
        (1.0, "code", 2.117147),
        (1.0, "paper", 2.117147 / log(1001)),
        (1.4, "paper", 0.07025726),
        (1.4, "code", 0.00145617),
    ],
)
def test_values_of_the_lambda_form(alpha: float, normalise: str, expected: float) -> None:
    loss = made("croloss-lambda", kernel="exp", alpha=alpha, normalise=normalise)
    assert float(value(loss, vector())) == pytest.approx(expected, rel=2e-6)


def test_the_lambda_weight_passes_no_gradient() -> None:
    """One of three negatives is above the positive: the step rank is 2 * 1000 / 3, and its weight a constant."""
    loss = made("croloss-lambda", weight_kernel="step", kernel="exp")
    weight = 1 / (2 * ITEMS / 3 * log(ITEMS + 1))
    expected = [weight * ITEMS / 3 * exp(gap) for gap in (1, -3, -6)]
    found = gradient(lambda x: value(loss, x), vector())
    assert found[0].tolist() == pytest.approx([-sum(expected), *expected], rel=1e-12)


def test_the_step_counts_ties() -> None:
    """The unit step of equation 6 is 1 at 0."""
    logit = torch.zeros(1, 3, dtype=torch.float64)
    loss = made("croloss-lambda", Info(1, 2, (0.5,)), weight_kernel="step", kernel="sigmoid", alpha=1.0)
    assert float(value(loss, logit)) == pytest.approx(2 / 3 / log(3))  # rank 3 by the step, 2 by the sigmoid


@pytest.mark.parametrize("normalise", ["paper", "code"])
@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 1.4])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_lambda_form_with_equal_kernels_has_the_gradient_of_croloss(
    kernel: str, alpha: float, normalise: str
) -> None:
    """Equation 20: w(R) phi' is the derivative of W(R). The code drops the scale of the rank it multiplies by."""
    logit = random_logits()
    plain = made("croloss", kernel=kernel, alpha=alpha, normalise=normalise)
    weighed = made("croloss-lambda", weight_kernel=kernel, kernel=kernel, alpha=alpha, normalise=normalise)
    scale = 1.0 if normalise == "paper" or alpha in (0, 1) else ITEMS / 8
    torch.testing.assert_close(
        gradient(lambda x: value(plain, x), logit), gradient(lambda x: value(weighed, x), logit) * scale
    )


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 1.4])
@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_are_those_of_finite_differences(kernel: str, alpha: float) -> None:
    logit, mask = random_logits(), torch.rand(6, 9, generator=torch.Generator().manual_seed(1)) > 0.3
    label = torch.zeros(6, 9, dtype=torch.float64)
    label[torch.arange(6), torch.arange(6)] = 1
    mask |= label > 0
    loss = made("croloss", kernel=kernel, alpha=alpha)
    assert torch.autograd.gradcheck(lambda x: value(loss, x, label, mask), logit.requires_grad_())


@pytest.mark.parametrize("hardest", [0, 3])
def test_gradient_of_the_triplet_loss(hardest: int) -> None:
    loss = made("triplet", hardest=hardest, margin=1.0)
    assert torch.autograd.gradcheck(lambda x: value(loss, x), random_logits().requires_grad_())


def test_the_hardest_triplets() -> None:
    logit = torch.tensor([[1.0, 3.0, 2.0, -1.0, -9.0]], dtype=torch.float64)
    assert float(value(made("triplet", margin=1.0), logit)) == pytest.approx(3 + 2)
    assert float(value(made("triplet", margin=1.0, hardest=1), logit)) == pytest.approx(3)
    assert float(value(made("triplet", margin=1.0, hardest=9), logit)) == pytest.approx(5)
    mask = torch.tensor([[True, False, True, True, True]])
    assert float(value(made("triplet", margin=1.0, hardest=1), logit, mask=mask)) == pytest.approx(2)


SIZES: list[Literal[50, 120]] = [50, 120]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.4])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", ["croloss", "croloss-lambda"])
def test_finite_whatever_the_settings(name: str, kernel: str, alpha: float, dtype: torch.dtype, size: int) -> None:
    loss = made(name, kernel=kernel, alpha=alpha)
    logit = torch.tensor([[-1, 1, 1, -1], [1, -1, -1, -1], [1, 1, 1, 1.0]]).to(dtype) * size
    slope = gradient(lambda x: value(loss, x), logit)
    assert value(loss, logit).isfinite()
    assert slope.isfinite().all()
    if kernel in ("exp", "softplus") and alpha <= 1:  # convex kernels pull up a positive that is far below
        assert slope[0, 0] < 0 < slope[0, 1]


def test_the_tangent_beyond_e_40() -> None:
    at = torch.tensor([-50.0, 1e-12, 40.0, 41.0], dtype=torch.float64)
    assert tangent(torch.exp, at).tolist() == pytest.approx([exp(-50), exp(1e-12), exp(40), 2 * exp(40)], rel=1e-12)
    assert tangent(torch.expm1, at)[:2].tolist() == pytest.approx([exp(-50) - 1, 1e-12], rel=1e-9)
    for power in (torch.exp, torch.expm1):
        slopes = gradient(lambda x, power=power: tangent(power, x).sum(), at)  # type: ignore[misc]
        assert slopes[1:].tolist() == pytest.approx([1, exp(40), exp(40)])


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


@pytest.mark.parametrize(
    ("name", "key", "word"),
    [
        ("croloss", "alpha", -0.5),
        ("croloss-lambda", "alpha", -1.0),
        ("croloss", "negatives", 0),
        ("triplet", "hardest", -1),
        ("triplet", "margin", -1.0),
    ],
)
def test_settings_out_of_range(name: str, key: str, word: float) -> None:
    with pytest.raises(UsageError, match=rf"loss\.{key}={word}: expected at least"):
        made(name, **{key: word})
