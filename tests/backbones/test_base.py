"""What every backbone inherits."""

from __future__ import annotations

import torch

from recbench.backbones.base import Backbone
from recbench.batch import Towers
from recbench.data.dataset import Dataset


class Distance(Backbone):
    """A backbone whose score is no inner product."""

    decomposable = False

    def __init__(self, data: Dataset, towers: int, cosine: bool) -> None:
        super().__init__(data, towers, cosine)
        self.number = torch.nn.Parameter(torch.ones(self.users))

    def embed(self, user: torch.Tensor, item: torch.Tensor) -> Towers:
        vectors = torch.ones(*item.shape, self.towers, 1)
        return Towers(vectors[:, 0], vectors, pair=self.number[user, None, None].expand(*item.shape, self.towers) * 7)


def test_pair_scores_survive_cosines(toy: Dataset) -> None:
    logit = Distance(toy, 1, True)(torch.tensor([0]), torch.tensor([[1, 2]])).logit
    assert (logit == 7).all()
    assert logit.requires_grad
