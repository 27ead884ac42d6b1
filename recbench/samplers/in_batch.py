"""The positives of a batch as negatives of each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset, Positives
from recbench.samplers.base import Sampler, items_of, logged_rows, positive_rows, shuffled


@dataclass(frozen=True)
class InBatch(Sampler):
    """The batch's positives as everybody's slate, on which a user's other training positives are masked.

    Slot b is user b's own positive; another slot with the same item is masked too. `log_q` [B, B] is the log of the
    share of positive rows that have the item, the user's own included: the probability that a slot holds it, which
    the correction of Yi et al., RecSys 2019, section 4.1, https://doi.org/10.1145/3298689.3346996, subtracts.
    """

    @property
    def gives(self) -> frozenset[str]:
        """The row of each slate, and negatives beside its positive."""
        return frozenset({"row", "negatives"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [1, B], mask and label [B, B]."""
        rows = positive_rows(data)
        count = torch.bincount(data.train.item[rows], minlength=len(data.items))
        log_share = count.clamp(min=1).float().log() - math.log(len(rows))
        for index in rows[shuffled(len(rows), data.train, generator)].split(size):
            batch = logged_rows(data.train, index)
            own = torch.arange(len(index), device=rows.device)
            slots = Positives.from_pairs(batch.item[:, 0], own, len(data.items), len(index))
            row, positive = items_of(data.positives, batch.user)
            pair, slot = items_of(slots, positive)
            mask = torch.ones(len(index), len(index), dtype=torch.bool, device=rows.device)
            mask[row[pair], slot] = False
            mask[own, own] = True
            label = batch.label.new_zeros(len(index), len(index), batch.label.shape[-1])
            label[own, own] = batch.label[:, 0]
            item = batch.item.T
            log_q = log_share[item].expand(len(index), -1)
            yield Batch(batch.user, item, label, mask, log_q, rows=len(index), row=batch.row)

    def rows(self, data: Dataset) -> int:
        """Return the number of positive rows."""
        return len(positive_rows(data))
