"""One pool of negatives for all users of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.samplers.base import SAMPLERS, Sampler, items_of, logged_rows, positive_rows, visiting_order
from recbench.settings import Count


@SAMPLERS.add("shared")
@dataclass(frozen=True, kw_only=True)
class Shared(Sampler):
    """The batch's positives and one pool of uniform negatives for all users.

    Slots 0..B-1 hold the positives, of which each user sees only its own; then come `negatives * B` distinct items,
    drawn without replacement, of which a user's training positives are masked (CROLoss, section 4.1.4).
    """

    negatives: Count = 10

    @property
    def gives(self) -> frozenset[str]:
        """The row of each slate, and negatives beside its positive."""
        return frozenset({"row", "negatives"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [1, B + pool], mask and label [B, B + pool]."""
        rows, seen = positive_rows(data), data.items.seen
        spare = seen + len(data.train)  # a slot number beyond any slate
        slot = torch.full((len(data.items),), spare, device=rows.device)
        for index in visiting_order(data, generator, rows).split(size):
            batch = logged_rows(data.train, index)
            count = torch.arange(len(index), device=rows.device)
            pool = torch.randperm(seen, generator=generator, device=rows.device)[: len(index) * self.negatives]
            width = len(index) + len(pool)
            slot[pool] = torch.arange(len(index), width, device=rows.device)
            row, positive = items_of(data.positives, batch.user)
            mask = torch.ones(len(index), width + 1, dtype=torch.bool, device=rows.device)
            mask[:, : len(index)] = False
            mask[count, count] = True
            mask[row, slot[positive].clamp(max=width)] = False  # those not in the pool fall on the last column
            slot[pool] = spare
            label = batch.label.new_zeros(len(index), width, batch.label.shape[-1])
            label[count, count] = batch.label[:, 0]
            log_q = torch.cat(
                [batch.label.new_zeros(len(index)), batch.label.new_full((len(pool),), len(pool) / seen).log()]
            )
            item = torch.cat([batch.item[:, 0], pool]).unsqueeze(0)
            yield Batch(
                batch.user,
                item,
                label,
                mask[:, :width],
                log_q.expand(len(index), -1),
                rows=len(index),
                row=batch.row,
                positive_slots=len(index),
            )

    def rows(self, data: Dataset) -> int:
        """Return the number of positive rows."""
        return len(positive_rows(data))
