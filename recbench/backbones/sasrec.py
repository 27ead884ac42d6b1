"""Self-attention over the sequence of what a user had."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.backbones.building_blocks.history import HistoryBackbone, Sequences
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.gpu import rows_at
from recbench.settings import Count, CountOrZero, Positive, Share

EPSILON = 1e-8  # of layer normalisation, as in the released code


@BACKBONES.add("sasrec")
class SASRec(HistoryBackbone):
    """Causal self-attention over the last `length` items, whose table also holds the vectors that score them.

    Kang & McAuley, ICDM 2018, https://arxiv.org/abs/1808.09781: `blocks` of one attention layer and one
    feed-forward layer as wide as the vectors, over item vectors times sqrt(dim) plus a learned vector per place.
    `block` "paper" normalises what goes into a layer and adds its output to what went in; "code", as
    released, normalises the queries alone, and adds to these. There `dim` is 50, `length` 50 (200 on MovieLens-1M)
    and `dropout` 0.5 (0.2 on MovieLens-1M), each user's last `length` positives are the targets (`windows` "last"),
    and the learning rate is 0.001. A table of its own for the scored items (`tied` false) without the factor
    sqrt(dim) (`scaled` false) is gSASRec (Petrov & Macdonald, RecSys 2023, https://arxiv.org/abs/2308.07192). Several
    towers are parts of one wide vector.
    """

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 64,
        length: Count = 50,
        blocks: CountOrZero = 2,
        heads: Count = 1,
        dropout: Share = 0.2,
        std: Positive = 0.02,
        block: Literal["paper", "code"] = "paper",
        windows: Literal["last", "all"] = "last",
        tied: bool = True,
        scaled: bool = True,
    ) -> None:
        super().__init__(data, towers, cosine, length, windows)
        width = towers * dim
        if width % heads:
            raise UsageError(f"backbone.heads={heads}: expected a divisor of the width of the vectors, {width}")
        self.dropout = dropout
        self.scale = math.sqrt(width) if scaled else 1.0
        self.item_table = free_vectors(data.items, width, std)
        self.scored_table = None if tied else free_vectors(data.items, width, std)
        self.place = nn.Parameter(torch.randn(length, width) * std)
        self.blocks = nn.ModuleList(_Block(width, heads, dropout, as_released=block == "code") for _ in range(blocks))
        self.last_norm = nn.LayerNorm(width, EPSILON)

    def states(self, history: Sequences) -> Tensor:
        """Return the vector after each place [S, L, K, D]."""
        known = history.known
        x = rows_at(self.item_table, history.item.clamp(min=0).long()) * self.scale + self.place
        x = F.dropout(x, self.dropout, self.training) * known[..., None]
        # A place of padding sees itself, for a softmax over nothing is undefined; what it makes of that is set to 0.
        places = torch.arange(self.length, device=x.device)
        seen = (places[:, None] >= places) & known[:, None, None, :] | (places[:, None] == places)
        for block in self.blocks:
            x = block(x, seen) * known[..., None]
        states: Tensor = self.last_norm(x).unflatten(-1, (self.towers, -1))
        return states

    def item_vectors(self, item: Tensor) -> Tensor:
        """Return rows of the table of scored items [..., K, D]."""
        table = self.item_table if self.scored_table is None else self.scored_table
        vectors: Tensor = rows_at(table, item).unflatten(-1, (self.towers, -1))
        return vectors


class _Block(nn.Module):
    """An attention layer and a feed-forward layer, each with layer normalisation, dropout and a residual connection."""

    def __init__(self, width: int, heads: int, dropout: float, *, as_released: bool) -> None:
        super().__init__()
        self.heads, self.dropout, self.as_released = heads, dropout, as_released
        self.norms = nn.ModuleList(nn.LayerNorm(width, EPSILON) for _ in range(2))
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.feed_forward = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Return x [S, L, width] after the block; seen [S, 1, L, L] says which places each place attends to."""
        normal = self.norms[0](x)
        x = self._attention(normal, x, seen) + normal if self.as_released else x + self._attention(normal, normal, seen)
        normal = self.norms[1](x)
        added: Tensor = self.feed_forward(normal)
        return added + (normal if self.as_released else x)

    def _attention(self, asking: Tensor, read: Tensor, seen: Tensor) -> Tensor:
        query, key, value = (
            layer(source).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, source in ((self.query, asking), (self.key, read), (self.value, read))
        )
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen, dropout_p=dropout)
        return mixed.transpose(1, 2).flatten(2)
