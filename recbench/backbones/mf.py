"""Matrix factorisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbench.backbones.base import BACKBONES, Backbone
from recbench.batch import Towers
from recbench.data.dataset import Dataset, Table
from recbench.settings import at_least


@BACKBONES.add("mf")
class MF(Backbone):
    """A free vector per user and item (matrix factorisation); entities unseen in training have the zero vector.

    Koren et al., Computer 2009, https://doi.org/10.1109/MC.2009.263. `l2` weighs half the squared norms of the
    batch's vectors, per user, as in LightGCN (SIGIR 2020).
    """

    def __init__(
        self, data: Dataset, towers: int, cosine: bool, *, dim: int = 64, l2: float = 0.0, std: float = 0.1
    ) -> None:
        super().__init__(data, towers, cosine)
        at_least("backbone.dim", dim, 1)
        at_least("backbone.l2", l2, 0)
        self.l2 = l2
        self.user_table = free_vectors(data.users, towers * dim, std)
        self.item_table = free_vectors(data.items, towers * dim, std)

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B] and item [B, N]."""
        of_user = nn.functional.embedding(user, self.user_table)
        of_item = nn.functional.embedding(item, self.item_table)
        shape = (self.towers, -1)
        return Towers(of_user.unflatten(-1, shape), of_item.unflatten(-1, shape), *ridge(self.l2, of_user, of_item))


def free_vectors(table: Table, dim: int, std: float) -> nn.Parameter:
    """Return normal vectors [entities, dim], zero for entities unseen in training."""
    vectors = torch.randn(len(table), dim) * std
    vectors[table.seen :] = 0
    return nn.Parameter(vectors.to(table.value.device))


def ridge(l2: float, user: Tensor, item: Tensor) -> tuple[Tensor | float, Tensor | None]:
    """Return `l2` times half the squared norms of free vectors user [B, D] and item [B, N, D].

    The mean over users comes first, then that of each slot [B, N], as `Towers` takes them.
    """
    if not l2:
        return 0.0, None
    return l2 * 0.5 * user.square().sum() / len(user), l2 * 0.5 * item.square().sum(-1)
