"""Backbones that encode users and items apart, each by the features of its own row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from torch import Tensor, nn

from recbench.backbones.base import Backbone, View
from recbench.batch import Batch, Towers


class TwoSidedBackbone(Backbone):
    """Subclasses set `user_side` and `item_side`, modules from rows [n] of a table to vectors [n, K, D].

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
