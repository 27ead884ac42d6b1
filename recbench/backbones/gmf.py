"""Generalised matrix factorisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.batch import Towers
from recbench.data.dataset import Dataset
from recbench.gpu import rows_at
from recbench.settings import Count, NonNegative, Positive


@BACKBONES.add("gmf")
class GMF(Backbone):
    """Generalised matrix factorisation: the score is h . (p * q), an inner product of h * p and q.

    He et al., WWW 2017, https://arxiv.org/abs/1708.05031, the part of `neumf` without the perceptron. Each
    tower has vectors and an h of its own; h starts at Glorot's uniform distribution, as in `neumf`. `l2` weighs half
    the squared norms of the batch's p and q, per user. Entities unseen in training have the zero vector.
    """

    def __init__(
        self, data: Dataset, towers: int, cosine: bool, *, dim: Count = 64, l2: NonNegative = 0.0, std: Positive = 0.1
    ) -> None:
        super().__init__(data, towers, cosine)
        self.register_l2(l2)
        self.user_table = free_vectors(data.users, towers * dim, std)
        self.item_table = free_vectors(data.items, towers * dim, std)
        weight = torch.stack([nn.init.xavier_uniform_(torch.empty(1, dim))[0] for _ in range(towers)])
        self.weight = nn.Parameter(weight.to(self.user_table.device))  # [K, D]

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers h * p of user [B] and q of item [B, N]."""
        user_rows, item_rows = rows_at(self.user_table, user), rows_at(self.item_table, item)
        shape, tables = (self.towers, -1), (self.user_table, self.item_table)
        vectors = user_rows.unflatten(-1, shape) * self.weight, item_rows.unflatten(-1, shape)
        penalty = self.regulariser.penalty(self.l2, self, rows=(user_rows, item_rows), vectors=vectors, tables=tables)
        return Towers(*vectors, batch_penalty=penalty)
