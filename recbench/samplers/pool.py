"""A positive of one's own and one pool of negatives for all users of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.samplers.base import SAMPLERS, Sampler, items_of, logged_rows, positive_rows, visiting_order
from recbench.settings import Count


@SAMPLERS.add("pool")
@dataclass(frozen=True, kw_only=True)
class Pool(Sampler):
    """The batch's positives, of which each user sees only its own, and one pool of uniform negatives for all users.

    As `shared`, but the pool has `negatives` distinct items whatever the size of the batch (Wu et al., TOIS 2024,
    https://arxiv.org/abs/2201.02327, shares them likewise), and `mask_positives` says whether a user's training
    positives among them are masked or count as negatives, as in several released codes.
    """

    negatives: Count = 1024
    mask_positives: bool = True

    @property
    def gives(self) -> frozenset[str]:
        """The row of each slate, and negatives beside its positive."""
        return frozenset({"row", "negatives"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [1, B + pool], mask and label [B, B + pool]."""
        rows, seen = positive_rows(data), data.items.seen
        log_q = torch.full((1,), min(self.negatives, seen) / seen, device=rows.device).log()
        for index in visiting_order(data, generator, rows).split(size):
            batch = logged_rows(data.train, index)
            pool = torch.randperm(seen, generator=generator, device=rows.device)[: self.negatives]
            own = torch.eye(len(index), dtype=torch.bool, device=rows.device)
            label = batch.label.new_zeros(len(index), len(index) + len(pool), batch.label.shape[-1])
            label.diagonal()[:] = batch.label[:, 0].T
            yield Batch(
                batch.user,
                torch.cat([batch.item[:, 0], pool]).unsqueeze(0),
                label,
                torch.cat([own, self._counts(pool, batch.user, data)], 1),
                torch.cat([log_q.new_zeros(len(index)), log_q.expand(len(pool))]).expand(len(index), -1),
                rows=len(index),
                row=batch.row,
                positive_slots=len(index),
            )

    def _counts(self, pool: Tensor, user: Tensor, data: Dataset) -> Tensor:
        """Return which items of the pool count for each user, [B, pool]."""
        counts = torch.ones(len(user), len(pool) + 1, dtype=torch.bool, device=user.device)
        if self.mask_positives:
            slot = pool.new_full((len(data.items),), len(pool))  # of items beyond the pool: a column that is cut off
            slot[pool] = torch.arange(len(pool), device=pool.device)
            row, positive = items_of(data.positives, user)
            counts[row, slot[positive]] = False
        return counts[:, :-1]

    def rows(self, data: Dataset) -> int:
        """Return the number of positive rows."""
        return len(positive_rows(data))
