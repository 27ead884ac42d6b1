"""What a metric may know of the items that it finds in lists."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.data.dataset import Positives


@dataclass(frozen=True)
class Catalogue:
    """All I items: how popular they are among the training rows, and the vectors that describe them."""

    popularity: Tensor  # [I] int64, users with the item as a positive of the feedback in train
    users: int  # with any positive of the feedback in train
    vectors: Tensor | None = (
        None  # [I, D] float32, the dense vectors of the data side by side; 0 where an item has none
    )

    @staticmethod
    def of(train: Positives, items: int, vectors: Tensor | None) -> Catalogue:
        """Return the catalogue of this many items, from the training pairs of one feedback."""
        users = int(train.start.diff().count_nonzero())
        return Catalogue(torch.bincount(train.item, minlength=items), users, vectors)

    def to(self, device: torch.device) -> Catalogue:
        """Return the same on another device."""
        vectors = None if self.vectors is None else self.vectors.to(device)
        return Catalogue(self.popularity.to(device), self.users, vectors)
