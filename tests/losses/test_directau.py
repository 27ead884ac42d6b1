"""DirectAU in its published values, and its gradient."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset
from tests.losses.by_hand import loss
from tests.losses.sampled_slates import model

USER = torch.tensor([[1.0, 0], [0, 1], [-1, 0]], dtype=torch.double)
ITEM = torch.tensor([[sqrt(0.5), sqrt(0.5)], [0, 1], [-sqrt(0.5), sqrt(0.5)]], dtype=torch.double)


def pairs(user: Tensor, item: Tensor, mask: list[bool] | None = None) -> tuple[Towers, Batch]:
    """Positive pairs of these vectors [B, D]."""
    counts = None if mask is None else torch.tensor(mask)[:, None]
    row = torch.arange(len(user))
    batch = Batch(row, row[:, None], torch.ones(len(user), 1, 1, dtype=torch.double), counts)
    return Towers(user[:, None], item[:, None, None]), batch


@pytest.mark.parametrize(("gamma", "expected"), [(1.0, -2.5816068813539275), (5.0, -14.470131573774717)])
def test_published_values_at_any_length(gamma: float, expected: float) -> None:
    length = torch.tensor([[1.0], [2], [3]])
    value = loss("directau", gamma=gamma)(*pairs(USER * length, ITEM / length))
    assert value.item() == pytest.approx(expected, abs=1e-6 if gamma == 5 else 1e-7)


def test_masked_pairs_do_not_count() -> None:
    wild = torch.tensor([[5.0, -7.0]], dtype=torch.double)
    masked = pairs(torch.cat([USER, wild]), torch.cat([ITEM, wild]), [True] * 3 + [False])
    torch.testing.assert_close(loss("directau")(*masked), loss("directau")(*pairs(USER, ITEM)))


@pytest.mark.parametrize("name", ["directau", "mawu"])
def test_gradients(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    user, item = (torch.randn(5, 3, dtype=torch.double, generator=generator).requires_grad_() for _ in range(2))
    made = loss(name)
    assert torch.autograd.gradcheck(lambda u, v: made(*pairs(u, v)), (user, item))


def test_scores_are_inner_products_or_cosines(view: Dataset) -> None:
    for cosine, name in ((False, "false"), (True, "true")):
        made = model(view, "directau", cosine=name)
        user, item = made.loss.vectors(*made.backbone.tables())
        assert bool(torch.allclose(user.norm(dim=-1), torch.ones(()))) == cosine
        assert bool(torch.allclose(item.norm(dim=-1), torch.ones(()))) == cosine
