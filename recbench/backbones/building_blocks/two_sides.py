"""Backbones that encode users and items apart, each by the features of its own row."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from recbench.backbones.base import Backbone
from recbench.batch import Towers


class TwoSidedBackbone(Backbone):
    """Subclasses set `user_side` and `item_side`, modules from rows [n] of a table to vectors [n, K, D].

    Users and items without training rows have vectors too.
    """

    offers: ClassVar[frozenset[str]] = Backbone.offers | {"new users"}
    user_side: nn.Module
    item_side: nn.Module

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B] and item [B, N]."""
        return Towers(self.user_side(user), self.item_side(item.flatten()).unflatten(0, item.shape))
