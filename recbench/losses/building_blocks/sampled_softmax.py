"""What the softmax losses share: where negatives are from, and which slots of a slate hold what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.samplers import AnyItem, Pool, Sampler, Triplets, Uniform

Source = Literal["pool", "own"]


def slates(source: Source, negatives: int, mask_positives: bool) -> Sampler:
    """Return what samples so many uniform negatives: one pool that a batch shares, or each positive's own.

    `mask_positives`: whether the training positives of the user are no negatives.
    """
    if source == "pool":
        return Pool(negatives=negatives, mask_positives=mask_positives)
    return Triplets(negatives, Uniform() if mask_positives else AnyItem())


@dataclass(frozen=True)
class Slates:
    """Which slots of B slates hold what. Where a slate has several positives, one counts, and none is a negative."""

    first: int  # the slot from which on there are negatives
    slot: Tensor  # [B, 1] of the positive; 0 on slates without one
    negative: Tensor  # [B, N - first] which of those slots hold a negative that counts
    counts: Tensor  # [B] which slates have a positive and a negative

    @staticmethod
    def of(batch: Batch) -> Slates:
        """Find them by label and mask; the first kind of feedback counts."""
        first, width = batch.positive_slots, batch.label.shape[1]
        label = batch.label[..., 0] > 0
        mask = torch.ones_like(label) if batch.mask is None else batch.mask
        front = slice(first or width)
        has_positive, slot = (label[:, front] & mask[:, front]).max(1, keepdim=True)
        negative = mask[:, first:] & ~label[:, first:]
        return Slates(first, slot, negative, has_positive[:, 0] & negative.any(1))

    def positive(self, value: Tensor) -> Tensor:
        """Return values [B] of the positives, from those of all slots [B, N]."""
        return value.gather(1, self.slot)[:, 0]

    def negatives(self, value: Tensor) -> Tensor:
        """Return values [B, N - first] of the negatives, -inf in other slots, from those of all slots [B, N].

        Slates that do not count keep what they have, so that no softmax is over nothing.
        """
        return value[:, self.first :].masked_fill(~(self.negative | ~self.counts[:, None]), -torch.inf)

    def mean(self, cost: Tensor) -> Tensor:
        """Return the mean of costs [B] over the slates that count; 0 if none does."""
        return cost.masked_fill(~self.counts, 0).sum() / self.counts.sum().clamp(min=1)

    def log_mean_exp(self, value: Tensor) -> Tensor:
        """Return the log [B] of the mean of exp(value) over the negatives, from the values of all slots [B, N]."""
        count = self.negative.sum(1).clamp(min=1).to(value.dtype)
        return self.negatives(value).logsumexp(1) - count.log()
