"""Backbones that encode users and items apart, each by the features of its own row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from recbench.backbones.base import Backbone, View
from recbench.backbones.building_blocks.features import Features
from recbench.batch import Batch, Towers


class TwoSidedBackbone(Backbone):
    """Subclasses set `user_side` and `item_side`, modules from rows [n] of a table to vectors [n, K, D].

    All that a side knows of an entity is what `Features` hold, so that it encodes others too (`EntityEncoder`).
    A side also takes what is kept of each row's features, as `Features` does. Users and items without training rows
    have vectors too. Towers of a batch are not those of a view: views are of items that these draw.
    """

    offers: ClassVar[frozenset[str]] = Backbone.offers | {"new users", "feature views"}
    user_side: nn.Module
    item_side: nn.Module

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B] and item [B, N]."""
        return Towers(self.user_side(user), self.item_side(item.flatten()).unflatten(0, item.shape))

    def encode_views(self, batch: Batch, views: Iterable[View]) -> Towers:
        """Return the towers of a batch, and the encodings of the views beside them."""
        return replace(self.encode(batch), views=tuple(view.encode(self, None) for view in views))


class EntityEncoder(nn.Module):
    """One side of a backbone as a function of features: it encodes users or items that are in no table."""

    def __init__(self, backbone: TwoSidedBackbone, side: Literal["user", "item"]) -> None:
        super().__init__()
        self.side = backbone.user_side if side == "user" else backbone.item_side
        self.cosine = backbone.cosine_ranking

    def forward(self, value: Tensor, dense: Tensor | None = None) -> Tensor:
        """Return the vectors [n, K, D] of entities, given as in `Table`: value [n, slots], dense [n, numbers]."""
        held = {
            f"{name}.{buffer}" if name else buffer: tensor
            for name, part in self.side.named_modules()
            if isinstance(part, Features)
            for buffer, tensor in part.buffers_of(value, dense).items()
        }
        vectors: Tensor = functional_call(self.side, held, (torch.arange(value.shape[0], device=value.device),))
        return F.normalize(vectors, dim=-1) if self.cosine else vectors
