"""RelMF: its published value, its propensities, and its gradient."""

from __future__ import annotations

import pytest
import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.losses.relmf import RelMF
from tests.losses.by_hand import loss, rows, sigmoid, tensor, towers
from tests.losses.sampled_slates import model

LOGIT, LABEL, THETA = [0.4, -0.3, 1.0], [1.0, 0.0, 1.0], [0.5, 0.8, 0.1]


def with_propensity(**settings: object) -> RelMF:
    made = loss("relmf", **settings)
    assert isinstance(made, RelMF)
    made.propensity = torch.tensor(THETA, dtype=torch.double)
    return made


def three_rows() -> Batch:
    return Batch(torch.arange(3), torch.arange(3)[:, None], tensor(rows(LABEL)))


def by_hand(clip: float) -> list[float]:
    losses = []
    for s, y, t in zip(LOGIT, LABEL, THETA, strict=True):
        w, r = y / max(t, clip), sigmoid(s)
        losses.append(w * (1 - r) ** 2 + (1 - w) * r**2)
    return losses


def test_published_value() -> None:
    assert with_propensity(clip=0.2)(towers(rows(LOGIT)), three_rows()).item() == pytest.approx(
        -0.5437878984976053, abs=1e-6
    )


def test_the_non_negative_estimate() -> None:
    losses = by_hand(0.0)
    assert min(losses) < 0 < max(losses)
    value = with_propensity(clip=0.0, non_negative=True)(towers(rows(LOGIT)), three_rows())
    assert value.item() == pytest.approx(sum(max(x, 0) for x in losses) / 3, abs=1e-6)


def test_gradient() -> None:
    made, inner = with_propensity(clip=0.0), tensor(rows(LOGIT)).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: made(towers(x), three_rows()), inner)


def test_propensities_are_powers_of_popularity(view: Dataset) -> None:
    made = model(view, "relmf", power="0.5").loss
    assert isinstance(made, RelMF)
    pairs = {
        (u, i)
        for u, i, y in zip(view.train.user.tolist(), view.train.item.tolist(), view.train.label[:, 0], strict=True)
        if y
    }
    count = [sum(item == i for _, item in pairs) for i in range(len(view.items))]
    assert made.propensity.tolist() == pytest.approx([(n / max(count)) ** 0.5 for n in count])


def test_without_a_power_it_is_the_squared_error() -> None:
    made = loss("relmf", power=0.0)
    expected = sum((y - sigmoid(s)) ** 2 for s, y in zip(LOGIT, LABEL, strict=True)) / 3
    assert made(towers(rows(LOGIT)), three_rows()).item() == pytest.approx(expected, abs=1e-9)
