"""The positives of a batch as negatives of each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.data.dataset import Dataset, Positives
from recbench.samplers.base import SAMPLERS, Sampler, items_of, logged_rows, positive_rows, visiting_order


@SAMPLERS.add("in-batch")
@dataclass(frozen=True, kw_only=True)
class InBatch(Sampler):
    """The batch's positives as everybody's slate, on which a user's other training positives are masked.

    Slot b is user b's own positive; another slot with the same item is masked too. Without `mask_positives` every slot
    counts, and all but the own are negatives, as in several released codes. `log_q` [B, B] is the log of the
    share of positive rows that have the item, the user's own included: the probability that a slot holds it, which
    the correction of Yi et al., RecSys 2019, https://doi.org/10.1145/3298689.3346996, subtracts.
    """

    only_positives = True
    mask_positives: bool = True

    @property
    def gives(self) -> frozenset[str]:
        """The row of each slate, negatives beside its positive, and how likely a slot holds its item."""
        return frozenset({"row", "negatives", "slot probabilities"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [1, B], mask and label [B, B]."""
        rows = positive_rows(data)
        count = torch.bincount(data.train.item[rows], minlength=len(data.items))
        log_share = count.clamp(min=1).float().log() - math.log(len(rows))
        for index in visiting_order(data, generator, rows).split(size):
            batch = logged_rows(data.train, index)
            yield slates(batch, batch.item[:, 0], log_share[batch.item[:, 0]], data, mask_positives=self.mask_positives)


def slates(batch: Batch, item: Tensor, log_q: Tensor, data: Dataset, *, mask_positives: bool) -> Batch:
    """Return the slates of B positives, logged rows, over the same items [N] with log_q [N].

    The first B items are the positives. Of each user the own slot counts, and all that hold none of its positives, or
    all whatever they hold.
    """
    size, width = len(batch.user), len(item)
    own = torch.arange(size, device=item.device)
    mask = torch.ones(size, width, dtype=torch.bool, device=item.device)
    if mask_positives:
        slots = Positives.from_pairs(item, torch.arange(width, device=item.device), len(data.items), width)
        row, positive = items_of(data.positives, batch.user)
        pair, slot = items_of(slots, positive)
        mask[row[pair], slot] = False
        mask[own, own] = True
    label = batch.label.new_zeros(size, width, batch.label.shape[-1])
    label[own, own] = batch.label[:, 0]
    return Batch(batch.user, item[None], label, mask, log_q.expand(size, -1), rows=size, row=batch.row)
