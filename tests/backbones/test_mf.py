"""Matrix factorisation: its penalty by hand, and entities unseen in training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recbench.backbones.mf import MF
from recbench.batch import Batch
from recbench.data.dataset import Dataset


def test_entities_unseen_in_training_have_the_zero_vector(toy: Dataset) -> None:
    data = replace(toy, items=replace(toy.items, seen=35))
    _, items = MF(data, 1, False, dim=4).tables()
    assert (items[35:] == 0).all()
    assert (items[:35] != 0).any(-1).all()


def test_l2_is_half_the_squared_norm_of_the_batch_per_user(toy: Dataset) -> None:
    backbone = MF(toy, 1, False, dim=2, l2=1e-4)
    with torch.no_grad():
        backbone.user_table[0] = torch.tensor([1.0, 2.0])
        backbone.item_table[0] = torch.tensor([0.5, -1.0])
        backbone.item_table[1] = torch.tensor([0.0, 3.0])
        backbone.item_table[2] = torch.tensor([100.0, 100.0])
    user, item = torch.tensor([0]), torch.tensor([[0, 1, 2]])
    batch = Batch(user, item, torch.zeros(1, 3, 1), torch.tensor([[True, True, False]]))
    regulariser = torch.as_tensor(backbone(user, item).regulariser(batch))
    assert regulariser.item() == pytest.approx(1e-4 / 2 * (1**2 + 2**2 + 0.5**2 + 1**2 + 3**2))
