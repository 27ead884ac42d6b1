"""SimpleX: a user's own vector and what the user has had."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.backbones.building_blocks.pooling import pooled
from recbench.batch import Towers
from recbench.data.dataset import Dataset, Log
from recbench.data.history import Histories
from recbench.gpu import rows_at
from recbench.settings import Count, Fraction, NonNegative, Positive, Share


@BACKBONES.add("simplex")
class SimpleX(Backbone):
    """The user's vector is own * e_u + (1 - own) * V a, where a aggregates the vectors of the items the user has had.

    Mao et al., CIKM 2021, https://arxiv.org/abs/2109.12613, trained there with the loss `ccl`. a is the
    mean (`aggregate=mean`), or a sum weighed by the softmax of tanh(W e_k) . e_u (`user-attention`) or of
    tanh(W e_k) . q with a learned q (`self-attention`). History and target share one table of items; `dropout` is of
    the user's vector. With `own=1` it is `mf` with dropout. The history is the last `length` of all training positives
    of the user, the target included, as in the released code, whose length is up to 500; without a history a is 0.
    `l2` weighs half the squared norms of the batch's e_u and e_i, per user. Each tower has weights of its own.
    A user without training rows is what is known of the user alone: e_u is 0.
    """

    offers: ClassVar[frozenset[str]] = Backbone.offers | {"new users"}

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 64,
        aggregate: Literal["mean", "user-attention", "self-attention"] = "mean",
        own: Fraction = 0.5,
        length: Count = 100,
        dropout: Share = 0.1,
        l2: NonNegative = 0.0,
        std: Positive = 0.1,
    ) -> None:
        super().__init__(data, towers, cosine)
        self.aggregate, self.own, self.length = aggregate, own, length
        self.dropout, self.seen = dropout, data.items.seen
        self.register_l2(l2)
        self.user_table = free_vectors(data.users, towers * dim, std)
        self.item_table = free_vectors(data.items, towers * dim, std)
        device = self.user_table.device
        self.mapping = nn.Parameter(_glorot(towers, dim).to(device))  # V
        if aggregate != "mean":
            self.attention = nn.Parameter(_glorot(towers, dim).to(device))  # W
        if aggregate == "self-attention":
            self.query = nn.Parameter(torch.randn(towers, dim).div(math.sqrt(dim)).to(device))
        self.in_train = self.histories(data.train)

    def histories(self, log: Log) -> Histories:
        """Return what each user had in these rows."""
        return Histories.by_user(log, self.users, (log.label.amax(1) > 0) & (log.item < self.seen))

    def forward(self, user: Tensor, item: Tensor, known: Histories | None = None) -> Towers:
        """Return the towers of user [B], by all that is known of them, and item [B, N]."""
        return self.normalised(self._towers(user, item, known or self.in_train))

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B], by what they had in train, and item [B, N]; not normalised."""
        return self._towers(user, item, self.in_train)

    def _towers(self, user: Tensor, item: Tensor, known: Histories) -> Towers:
        rows, items = rows_at(self.user_table, user), rows_at(self.item_table, item)
        own = rows.unflatten(-1, (self.towers, -1))
        history = known.last(user, self.length)
        past = torch.einsum(
            "bkd,kde->bke", self._aggregate(own, history.clamp(min=0).long(), history >= 0), self.mapping
        )
        vector = F.dropout(self.own * own + (1 - self.own) * past, self.dropout, self.training)
        vectors, tables = (vector, items.unflatten(-1, (self.towers, -1))), (self.user_table, self.item_table)
        penalty = self.regulariser.penalty(self.l2, self, rows=(rows, items), vectors=vectors, tables=tables)
        return Towers(*vectors, batch_penalty=penalty)

    def _aggregate(self, own: Tensor, history: Tensor, is_known: Tensor) -> Tensor:
        """Return a [B, K, D] for users of own vectors [B, K, D] and histories [B, L]."""
        if self.aggregate == "mean":
            weight = is_known / is_known.sum(1, keepdim=True).clamp(min=1)
            mean = pooled(self.item_table, history, weight.to(self.item_table))
            return mean.view(len(mean), self.towers, -1)
        vectors = rows_at(self.item_table, history).unflatten(-1, (self.towers, -1))  # [B, L, K, D]
        keys = torch.einsum("blkd,kde->blke", vectors, self.attention).tanh()
        query = own if self.aggregate == "user-attention" else self.query[None]
        logit = (keys * query.unsqueeze(1)).sum(-1).masked_fill(~is_known[..., None], -torch.inf)
        share = logit.masked_fill(~is_known.any(1)[:, None, None], 0).softmax(1) * is_known[..., None]
        past: Tensor = (share.unsqueeze(-1) * vectors).sum(1)
        return past


def _glorot(towers: int, dim: int) -> Tensor:
    bound = math.sqrt(6 / (2 * dim))
    return torch.empty(towers, dim, dim).uniform_(-bound, bound)
