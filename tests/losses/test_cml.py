"""Collaborative metric learning: published values, its gradient, the unit ball, and distances as scores."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Info
from recbench.losses.cml import CML
from tests.losses.by_hand import loss
from tests.losses.sampled_slates import losses_of, model

INFO = Info(users=10, items=100, rates=(0.25,))
USER = [[0.6, 0.0]]
ITEMS = [[[0.0, 0.8], [0.3, 0.3], [-0.9, 0.0], [0.5, 0.1]]]
VALUE = 6.237598661753042


def slate(user: object, item: object, mask: list[bool] | None = None) -> tuple[Towers, Batch]:
    """Slates of vectors [B, D] and [B, N, D] whose first item is the positive."""
    of_user, of_item = (torch.as_tensor(values, dtype=torch.double) for values in (user, item))
    label = torch.zeros(*of_item.shape[:2], 1)
    label[:, 0] = 1
    row = torch.arange(len(of_user))
    counts = None if mask is None else torch.tensor([mask] * len(row))
    return Towers(of_user[:, None], of_item[:, :, None]), Batch(row, row[:, None], label, counts)


def made(**settings: object) -> CML:
    built = loss("cml", INFO, margin=0.5, **settings)
    assert isinstance(built, CML)
    return built


def test_published_value_and_masked_negatives() -> None:
    assert made()(*slate(USER, ITEMS)).item() == pytest.approx(VALUE, abs=1e-9)
    wider = [[*ITEMS[0], [0.6, 0.0]]]
    assert made()(*slate(USER, wider, [True] * 4 + [False])).item() == pytest.approx(VALUE, abs=1e-9)


def test_vectors_outside_the_unit_ball_are_clipped() -> None:
    far = [[[3 * x for x in ITEMS[0][0]], *ITEMS[0][1:]]]
    near = [[[0.0, 1.0], *ITEMS[0][1:]]]
    assert made()(*slate([[6.0, 0.0]], far)).item() == pytest.approx(made()(*slate([[1.0, 0.0]], near)).item())


def by_loop(user: Tensor, item: Tensor, weight: float) -> Tensor:
    total = user.new_zeros(())
    for u, items in zip(user, item, strict=True):
        near = (u - items[0]).square().sum()
        gaps = [0.5 + near - (u - v).square().sum() for v in items[1:]]
        share = sum(float(gap.detach()) > 0 for gap in gaps) / len(gaps)
        total = total + torch.tensor(100 * share).log1p() * max(gaps).relu()
    rows = torch.cat([user, item[:, 0]])
    rows = rows - rows.mean(0)
    covariance = rows.T @ rows / len(rows)
    spread = sum(covariance[a, b] ** 2 for a in range(3) for b in range(3) if a != b) / len(rows)
    return total / len(user) + weight * spread


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_value_and_gradient_by_loop(weight: float) -> None:
    generator = torch.Generator().manual_seed(0)
    user = (torch.rand(4, 3, dtype=torch.double, generator=generator) * 0.4).requires_grad_()
    item = (torch.rand(4, 5, 3, dtype=torch.double, generator=generator) * 0.4).requires_grad_()
    _, batch = slate(user.detach(), item.detach())
    value = made(covariance_weight=weight)(Towers(user[:, None], item[:, :, None]), batch)
    expected = by_loop(user, item, weight)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)
    found, wanted = (torch.autograd.grad(x, (user, item)) for x in (value, expected))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_tables_of_mf_are_projected_after_each_update(view: Dataset) -> None:
    trained = model(view, "cml")
    table = trained.backbone.get_parameter("user_table")
    with torch.no_grad():
        table[0] = torch.tensor([3.0, 4.0] + [0.0] * 6)
    inside = table[1].detach().clone()
    trained.loss.after_step(trained.backbone)
    torch.testing.assert_close(table[0].detach(), torch.tensor([0.6, 0.8] + [0.0] * 6))
    assert torch.equal(table[1], inside)
    with torch.no_grad():
        table[0] *= 5
    losses_of(trained, view)
    assert float(table.detach().norm(dim=1).max()) <= 1 + 1e-6


@pytest.mark.parametrize("backbone", ["mf", "lightgcn"])
def test_scores_rank_by_distance(backbone: str, view: Dataset) -> None:
    trained = model(view, "cml", backbone)
    with torch.no_grad():
        trained.backbone.get_parameter("item_table").mul_(10)
    user, item = trained.backbone.tables()
    if backbone == "lightgcn":
        assert float(item.norm(dim=-1).max()) > 1
        user, item = (table / table.norm(dim=-1, keepdim=True).clamp(min=1) for table in (user, item))
    of_user, of_item = trained.loss.vectors(*trained.backbone.tables())
    score = of_user[:, 0] @ of_item[:, 0].T
    square = torch.cdist(user[:, 0], item[:, 0]).square()
    torch.testing.assert_close(score, user[:, 0].square().sum(1, keepdim=True) - square, rtol=1e-4, atol=1e-4)
