"""What the softmax losses share: where negatives are from, and which slots of a slate hold what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import Loss
from recbench.samplers import AnyItem, Pool, Sampler, Triplets, Uniform

Source = Literal["pool", "own"]


def slates(source: Source, negatives: int, mask_positives: bool) -> Sampler:
    """Return what samples so many uniform negatives: one pool that a batch shares, or each positive's own.

    `mask_positives`: whether the training positives of the user are no negatives.
    """
    if source == "pool":
        return Pool(negatives=negatives, mask_positives=mask_positives)
    return Triplets(negatives, Uniform() if mask_positives else AnyItem())


class SampledSoftmaxLoss(Loss):
    """Base of the losses on a positive and many negatives, whose logits `Slates` gives."""

    needs = frozenset({"negatives"})

    def __init__(self, info: Info, source: Source, negatives: int, mask_positives: bool) -> None:
        super().__init__(info, slates(source, negatives, mask_positives))

    def encode(self, backbone: Backbone, batch: Batch) -> Towers:
        """Return the towers of a batch; each item is encoded once where users do not share slates of so many slots."""
        if not backbone.decomposable or len(batch.item) == 1 or batch.item.numel() < self.info.items:
            return super().encode(backbone, batch)
        every = torch.arange(self.info.items, device=batch.item.device).unsqueeze(0)
        return replace(super().encode(backbone, replace(batch, item=every)), column=batch.item)


@dataclass(frozen=True)
class Slates:
    """Which slots of B slates hold what. Where a slate has several positives, one counts, and none is a negative."""

    first: int  # the slot from which on there are negatives
    slot: Tensor  # [B, 1] of the positive; any on slates without one
    negative: Tensor  # [B, N - first] which of those slots hold a negative that counts
    counts: Tensor  # [B] which slates have a positive and a negative
    batch: Batch

    @staticmethod
    def of(batch: Batch) -> Slates:
        """Find them by label and mask; the first kind of feedback counts."""
        first = batch.positive_slots
        label = batch.label[:, : first or None, 0]
        mask = batch.label.new_ones(batch.label.shape[:2], dtype=torch.bool) if batch.mask is None else batch.mask
        if first == len(label):  # slot b is that of slate b alone: no need to look through B * B slots
            slot = torch.arange(first, device=label.device)[:, None]
            has_positive = (label.diagonal() > 0) & mask[:, :first].diagonal()
        else:
            label = label > 0
            has_positive, slot = (label & mask[:, : first or None]).max(1, keepdim=True)
            has_positive = has_positive[:, 0]
        negative = mask[:, first:] if first else mask & ~label
        return Slates(first, slot, negative, has_positive & negative.any(1), batch)

    def inner(self, towers: Towers) -> tuple[Tensor, Tensor]:
        """Return the inner products of the first tower as `split` does.

        On a slate that all users share, those with the positives of others are not computed at all.
        """
        if towers.pair is not None or towers.column is not None or len(towers.item) > 1 or not self.first:
            return self.split(towers.inner[..., 0])
        user, item = towers.user[:, 0], towers.item[0, :, 0]
        own, pool = item.split([self.first, len(item) - self.first])
        return (user * own.index_select(0, self.slot[:, 0])).sum(1), user @ pool.T

    def logits(self, towers: Towers) -> tuple[Tensor, Tensor]:
        """Return the logits of the first tower as `split` does."""
        return scaled(self.inner(towers), towers)

    def split(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values of the positives [B] and of the slots from `first` on, from those of all slots [B, N]."""
        if not self.first:
            return value.gather(1, self.slot)[:, 0], value
        front, rest = value.split(
            [self.first, value.shape[1] - self.first], 1
        )  # cheaper to go back through than slices
        return front.gather(1, self.slot)[:, 0], rest

    def masked(self, value: Tensor) -> Tensor:
        """Return values [B, N - first] with -inf in slots that hold no negative.

        Slates that do not count keep what they have, so that no softmax is over nothing.
        """
        return value.masked_fill(self.counts[:, None] & ~self.negative, -torch.inf)

    def mean_of_negatives(self, value: Tensor) -> Tensor:
        """Return the mean [B] of values [B, N - first] over each slate's negatives; 0 where there are none."""
        return value.masked_fill(~self.negative, 0).sum(1) / self.number(value)

    def mean(self, cost: Tensor) -> Tensor:
        """Return the mean of costs [B] over the slates that count; 0 if none does."""
        return self.batch.mean(cost, self.counts)

    def number(self, like: Tensor) -> Tensor:
        """Return how many negatives each slate has, [B], at least 1, of the type of `like`."""
        return self.negative.sum(1).clamp(min=1).to(like.dtype)


def scaled(inner: tuple[Tensor, Tensor], towers: Towers) -> tuple[Tensor, Tensor]:
    """Return the logits of inner products of the first tower."""
    scale, bias = (x[0] if isinstance(x, Tensor) else x for x in (towers.scale, towers.bias))
    return inner[0] * scale + bias, inner[1] * scale + bias
