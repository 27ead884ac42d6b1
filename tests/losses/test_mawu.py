"""MAWU: its published values in both readings, and margins that stay between 0 and 1."""

from __future__ import annotations

from math import log

import pytest
import torch

from recbench.data.dataset import Dataset
from recbench.losses.mawu import MAWU
from tests.losses.by_hand import loss
from tests.losses.sampled_slates import losses_of, model
from tests.losses.test_directau import ITEM, USER, pairs

ALIGNMENT = -0.5807708297529055
OF_USERS = {"pairs": -4.396348967229015, "released": -4.11549619760379}
OF_ITEMS = {"pairs": -1.5479133789813802, "released": -2.4876199471659914}


@pytest.mark.parametrize("uniformity", ["pairs", "released"])
def test_published_values(uniformity: str) -> None:
    made = loss("mawu", uniformity=uniformity, gamma_user=0.25, gamma_item=2.0)
    assert isinstance(made, MAWU)
    with torch.no_grad():
        made.user_margin[:3] = torch.tensor([0.5, 0.2, 0.4])
        made.item_margin[:3] = torch.tensor([0.2, 0.3, 0.0])
    expected = ALIGNMENT + 0.25 * OF_USERS[uniformity] + 2 * OF_ITEMS[uniformity]
    assert made(*pairs(USER, ITEM)).item() == pytest.approx(expected, abs=1e-6)


def test_the_released_uniformity_has_a_floor() -> None:
    """Vectors as far apart as can be: of two, the only pair has e^-8, and three of the four places hold e^-4."""
    made = loss("mawu", uniformity="released", gamma_user=1.0, gamma_item=0.0)
    two = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.double)
    value = made(*pairs(two, two))
    assert isinstance(made, MAWU)
    alignment = -torch.cos(torch.tensor(0.5, dtype=torch.double)).item()
    assert value.item() - alignment == pytest.approx(
        log((3 * 0.01831563888873418 + 0.00033546262790251185) / 4), abs=1e-3
    )


def test_margins_are_learned_and_stay_between_0_and_1(view: Dataset) -> None:
    made = model(view, "mawu")
    for epoch in range(1, 11):
        losses_of(made, view, epoch)
    assert isinstance(made.loss, MAWU)
    for margin in (made.loss.user_margin, made.loss.item_margin):
        assert float(margin.detach().min()) >= 0 and float(margin.detach().max()) <= 1
        assert margin.any()


def test_angles_end_at_pi() -> None:
    """An angle of 3 and a margin of 0.5 is pi, where the cosine has no slope."""
    user = torch.tensor([[1.0, 0.0]], dtype=torch.double)
    angle = torch.tensor(3.0, dtype=torch.double)
    item = torch.stack([angle.cos(), angle.sin()])[None].requires_grad_()
    value = loss("mawu")(*pairs(user, item))
    value.backward()
    assert value.item() == pytest.approx(1.0)
    assert item.grad is not None
    assert item.grad.abs().max() < 1e-12
