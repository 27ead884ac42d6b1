"""Matrix factorisation."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.backbones.building_blocks.row_table import RowTable, rows_of
from recbench.batch import Towers
from recbench.data.dataset import Dataset
from recbench.settings import Count, NonNegative


@BACKBONES.add("mf")
class MF(Backbone):
    """A free vector per user and item (matrix factorisation); entities unseen in training have the zero vector.

    Koren et al., Computer 2009, https://doi.org/10.1109/MC.2009.263. `l2` weighs half the squared norms of the
    batch's vectors, per user, as in LightGCN (SIGIR 2020), unless `l2_of` and its like say otherwise.
    """

    offers: ClassVar[frozenset[str]] = Backbone.offers | {"free vectors"}

    def __init__(
        self, data: Dataset, towers: int, cosine: bool, *, dim: Count = 64, l2: NonNegative = 0.0, std: float = 0.1
    ) -> None:
        super().__init__(data, towers, cosine)
        self.l2 = l2
        self.user_table = RowTable(free_vectors(data.users, towers * dim, std))
        self.item_table = RowTable(free_vectors(data.items, towers * dim, std))

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B] and item [B, N]."""
        user_rows, item_rows = rows_of(self.user_table, user), rows_of(self.item_table, item)
        shape = (self.towers, -1)
        vectors = user_rows.unflatten(-1, shape), item_rows.unflatten(-1, shape)
        tables = self.user_table, self.item_table
        penalty = self.regulariser.penalty(self.l2, self, rows=(user_rows, item_rows), vectors=vectors, tables=tables)
        return Towers(*vectors, batch_penalty=penalty)
