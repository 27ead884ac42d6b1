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

    only_positives = True
    negatives: Count = 1024
    mask_positives: bool = True

    @property
    def gives(self) -> frozenset[str]:
        """The row of each slate, and negatives beside its positive."""
        return frozenset({"row", "negatives"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [1, B + pool], mask and label [B, B + pool]."""
        rows = positive_rows(data)
        for index in visiting_order(data, generator, rows).split(size):
            pool = torch.randperm(data.items.seen, generator=generator, device=rows.device)[: self.negatives]
            yield slates(logged_rows(data.train, index), pool, data, mask_positives=self.mask_positives)


def slates(batch: Batch, pool: Tensor, data: Dataset, *, mask_positives: bool) -> Batch:
    """Return the slates of B positives, logged rows, each beside the same pool of distinct items [P].

    Slots 0..B-1 hold the positives, of which each user sees only its own.
    """
    size, device = len(batch.user), pool.device
    mask = torch.ones(size, size + len(pool) + 1, dtype=torch.bool, device=device)
    mask[:, :size] = False
    mask.diagonal()[:] = True
    if mask_positives:
        slot = pool.new_full((len(data.items),), size + len(pool))  # of items beyond the pool: a column that is cut off
        slot[pool] = torch.arange(size, size + len(pool), device=device)
        row, positive = items_of(data.positives, batch.user)
        place = row * mask.shape[1] + slot.index_select(0, positive)
        mask.view(-1).index_fill_(0, place, False)  # on CPU 4 times as fast as mask[row, slot[positive]] = False
    label = batch.label.new_zeros(size, size + len(pool), batch.label.shape[-1])
    label.diagonal()[:] = batch.label[:, 0].T
    log_q = torch.cat([label.new_zeros(size), label.new_full((len(pool),), len(pool) / data.items.seen).log()])
    return Batch(
        batch.user,
        torch.cat([batch.item[:, 0], pool]).unsqueeze(0),
        label,
        mask[:, :-1],
        log_q.expand(size, -1),
        rows=size,
        row=batch.row,
        positive_slots=size,
    )
