"""Users encoded from all that they have had."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.fold_in import distinct_items, items_of
from recbench.backbones.building_blocks.perceptron import layer_widths
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Log
from recbench.data.history import Histories
from recbench.gpu import rows_at
from recbench.settings import Count, Share


@BACKBONES.add("autoencoder")
class Autoencoder(Backbone):
    """A code per user, made of what the user has had, from which the scores of all items are decoded.

    The items of a user, 1 / sqrt(their number) each, go through layers with tanh to a code of `dim` numbers and back;
    the last layer has a vector and a bias for each item. Liang et al., WWW 2018,
    https://arxiv.org/abs/1802.05814, whose Mult-DAE has no further layers. `hidden` are the widths of such layers from
    the items to the code, as in 600-300, and in reverse from the code to the items; `dropout` is the share of a user's
    items that training leaves out. A history holds the distinct positives of train, also the item that a loss asks for.
    There are no user ids, so that new users have codes too.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"embeddings", "vectors", "user codes", "new users"})
    entities_at_once = 4096  # of wide layers
    numbers: ClassVar[int] = 1  # that the encoder makes for each number of the code

    def __init__(
        self, data: Dataset, towers: int, cosine: bool, *, dim: Count = 200, hidden: str = "", dropout: Share = 0.5
    ) -> None:
        super().__init__(data, towers, cosine)
        self.seen, self.dropout = data.items.seen, dropout
        widths = layer_widths(hidden)
        into, out = [*widths, self.numbers * dim], [dim, *reversed(widths)]
        self.first = _weights(data, into[0])
        self.first_bias = nn.Parameter(torch.empty(into[0]))
        self.encoder = nn.Sequential(*(layer for pair in pairwise(into) for layer in (nn.Tanh(), nn.Linear(*pair))))
        self.decoder = nn.Sequential(*(layer for pair in pairwise(out) for layer in (nn.Linear(*pair), nn.Tanh())))
        self.item_table = _weights(data, towers * out[-1])
        self.item_bias = nn.Parameter(torch.empty(len(data.items), towers))
        for parameter in (self.first_bias, self.item_bias):
            nn.init.trunc_normal_(parameter, std=0.001)
        self.item_bias.data[self.seen :] = 0
        for layer in (*self.encoder, *self.decoder):
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.trunc_normal_(layer.bias, std=0.001)
        self.in_train = self.histories(data.train)

    def histories(self, log: Log) -> Histories:
        """Return the distinct items that each user had in these rows, but those unseen in training."""
        return distinct_items(log, self.users, self.items, self.seen)

    def forward(self, user: Tensor, item: Tensor, known: Histories | None = None) -> Towers:
        """Return the towers of user [B], by all that is known of them, and item [B, N] or [1, N]."""
        return self.normalised(self._towers(*items_of(known or self.in_train, user), item))

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B], by what they had in train, and item [B, N] or [1, N]; not normalised."""
        return self._towers(*items_of(self.in_train, user), item)

    def encode(self, batch: Batch) -> Towers:
        """Return the towers of a batch of training."""
        if batch.pairs is None:
            return self(batch.user, batch.item)  # type: ignore[no-any-return]
        return self.normalised(self._towers(batch.pairs.item, batch.pairs.start, batch.item))  # all that is in train

    def code(self, encoded: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the codes [B, dim] of what the encoder made [B, numbers], and what `Towers.divergence` holds."""
        return encoded.tanh(), None

    def _towers(self, history: Tensor, start: Tensor, item: Tensor) -> Towers:
        """Return the towers of B users with history[start[b]:start[b + 1]] each and of item [B, N] or [1, N]."""
        count = start.diff()
        weight = count.clamp(min=1).rsqrt().repeat_interleave(count, output_size=len(history))
        weight = F.dropout(weight.to(self.first), self.dropout, self.training)
        pooled = F.embedding_bag(
            history, self.first, start, mode="sum", per_sample_weights=weight, include_last_offset=True
        )
        code, divergence = self.code(self.encoder(pooled + self.first_bias))
        user = self.decoder(code).unsqueeze(1)
        user = torch.cat([user, torch.ones_like(user[..., :1])], -1).expand(-1, self.towers, -1)
        vector = rows_at(self.item_table, item).unflatten(-1, (self.towers, -1))
        bias = rows_at(self.item_bias, item).unsqueeze(-1)
        return Towers(user, torch.cat([vector, bias], -1), divergence=divergence)


def _weights(data: Dataset, width: int) -> nn.Parameter:
    """Return the weights [items, width] of a layer from or to the items, zero for those unseen in training."""
    weight = nn.init.xavier_uniform_(torch.empty(len(data.items), width))
    weight[data.items.seen :] = 0
    return nn.Parameter(weight)
