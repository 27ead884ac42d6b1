"""The positive of each slate and its negatives, wherever they stand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.batch import Batch


@dataclass(frozen=True)
class Slots:
    """Which slots of a batch hold what. Where a slate has several positives, one counts, and none is a negative."""

    positive: Tensor  # [B, 1] the slot of the positive; 0 on slates without one
    has_positive: Tensor  # [B]
    negative: Tensor  # [B, N]

    @staticmethod
    def of(batch: Batch) -> Slots:
        """Find them by label and mask; the first kind of feedback counts."""
        label = batch.label[..., 0] > 0
        mask = torch.ones_like(label) if batch.mask is None else batch.mask
        has_positive, slot = (label & mask).max(1, keepdim=True)
        return Slots(slot, has_positive[:, 0], mask & ~label)

    def at_positive(self, value: Tensor) -> Tensor:
        """Return the value [B] at the positive of values [B, N], or of [1, N] that all slates share."""
        return value.expand(len(self.positive), -1).gather(1, self.positive)[:, 0]

    def mean_at_negatives(self, value: Tensor) -> Tensor:
        """Return the mean [B] of values [B, N] over each slate's negatives; 0 where there are none."""
        return value.masked_fill(~self.negative, 0).sum(1) / self.negative.sum(1).clamp(min=1)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of values [B] over the slates with a positive; 0 if there is none."""
        return value.masked_fill(~self.has_positive, 0).sum() / self.has_positive.sum().clamp(min=1)
