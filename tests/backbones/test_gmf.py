"""Generalised matrix factorisation: its score by hand, and that it is the first branch of NeuMF."""

from __future__ import annotations

import pytest
import torch

from recbench.backbones.gmf import GMF
from recbench.backbones.neumf import NeuMF
from recbench.batch import Batch
from recbench.data.dataset import Dataset


def test_a_score_and_a_penalty_by_hand(toy: Dataset) -> None:
    backbone = GMF(toy, 1, False, dim=2, l2=0.5)
    with torch.no_grad():
        backbone.user_table[3] = torch.tensor([1.0, 2.0])
        backbone.item_table[5] = torch.tensor([0.5, -1.0])
        backbone.weight[0] = torch.tensor([2.0, 3.0])
    user, item = torch.tensor([3]), torch.tensor([[5]])
    out = backbone(user, item)
    assert out.logit.item() == 2 * 0.5 - 3 * 2
    penalty = torch.as_tensor(out.regulariser(Batch(user, item, torch.ones(1, 1, 1))))
    assert penalty.item() == pytest.approx(0.25 * (5 + 1.25))


def test_it_is_neumf_without_its_perceptron(toy: Dataset) -> None:
    whole = NeuMF(toy, 2, False, dim=4, embedding=3, hidden="2")
    part = GMF(toy, 2, False, dim=4)
    with torch.no_grad():
        for name in ("user_table", "item_table"):
            own = whole.get_parameter(name).unflatten(1, (2, 7))[..., :4]
            part.get_parameter(name).copy_(own.flatten(1))
        for tower, model in enumerate(whole.models):
            model.head.weight[0, 4:] = 0
            part.weight[tower] = model.head.weight[0, :4]
    user, item = torch.arange(5), torch.arange(10).view(5, 2)
    torch.testing.assert_close(part(user, item).logit, whole(user, item).logit)
