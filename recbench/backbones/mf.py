"""Matrix factorisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.fold_in import WORDS, FoldIn, Rule, distinct_items, folded_in
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.backbones.building_blocks.row_table import RowTable, rows_of
from recbench.batch import Towers
from recbench.data.dataset import Dataset, Log
from recbench.data.history import Histories
from recbench.errors import UsageError
from recbench.settings import Count, NonNegative, Positive, Value


@BACKBONES.add("mf")
class MF(Backbone):
    """A free vector per user and item (matrix factorisation); entities unseen in training have the zero vector.

    Koren et al., Computer 2009, https://doi.org/10.1109/MC.2009.263. `l2` weighs half the squared norms of the
    batch's vectors, per user, as in LightGCN (SIGIR 2020), unless `l2_of` and its like say otherwise.

    Where users of validation and test are new, `fold_in` makes their vectors of the items that are given of them: the
    `mean` of these, or `least-squares`, as half a step of iALS. There a given item weighs `fold_in_weight` times as
    much as another, and the ridge is `fold_in_l2` times the mean eigenvalue of the items' Gram matrix; the larger the
    ridge, the nearer the result is to the mean.
    """

    offers: ClassVar[frozenset[str]] = Backbone.offers | {"free vectors", "new users"}
    omitted_when_default: ClassVar[frozenset[str]] = frozenset({"fold_in", "fold_in_weight", "fold_in_l2"})

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 64,
        l2: NonNegative = 0.0,
        std: Positive = 0.1,
        fold_in: Rule = "least-squares",
        fold_in_weight: Positive = 10.0,
        fold_in_l2: NonNegative = 10.0,
    ) -> None:
        super().__init__(data, towers, cosine)
        self.register_l2(l2)
        self.fold_in = FoldIn(fold_in, fold_in_weight, fold_in_l2)
        if not data.new_test_users and self.fold_in != FoldIn():
            raise UsageError(
                f"backbone.fold_in, fold_in_weight, fold_in_l2: all users of {data.full_name} have training rows, so "
                "that none is folded in; leave them out"
            )
        self.seen_users, self.seen_items = data.users.seen, data.items.seen
        self.users_are_new = data.new_test_users
        self.user_table = RowTable(free_vectors(data.users, towers * dim, std))
        self.item_table = RowTable(free_vectors(data.items, towers * dim, std))

    @classmethod
    def of_new_users(cls, values: Mapping[str, Value]) -> str:
        """Return how vectors of users without training rows are made, with these settings."""
        return WORDS[str(values.get("fold_in", "least-squares"))]

    def histories(self, log: Log) -> Histories | None:
        """Return the distinct items that each user had in these rows, where test users are new."""
        return distinct_items(log, self.users, self.items, self.seen_items) if self.users_are_new else None

    def forward(self, user: Tensor, item: Tensor, known: Histories | None = None) -> Towers:
        """Return the towers of user [B], by what is known of those without training rows, and item [B, N] or [1, N]."""
        towers = self.normalised(self.embed(user, item))
        new = user >= self.seen_users
        if known is None or not bool(new.any()):
            return towers
        catalogue = torch.arange(self.seen_items, device=user.device)[None]
        vectors = self.normalised(self.embed(user[:1], catalogue)).item[0]
        found = folded_in(self.fold_in, known, user[new], vectors)
        found = F.normalize(found, dim=-1) if self.unit_length else found
        return replace(towers, user=towers.user.index_put((new,), found))

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B] and item [B, N]."""
        user_rows, item_rows = rows_of(self.user_table, user), rows_of(self.item_table, item)
        shape = (self.towers, -1)
        vectors = user_rows.unflatten(-1, shape), item_rows.unflatten(-1, shape)
        tables = self.user_table, self.item_table
        penalty = self.regulariser.penalty(self.l2, self, rows=(user_rows, item_rows), vectors=vectors, tables=tables)
        return Towers(*vectors, batch_penalty=penalty)
