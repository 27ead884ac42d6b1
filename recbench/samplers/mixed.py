"""The positives of a batch and uniform items as negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.samplers.base import SAMPLERS, Sampler, logged_rows, positive_rows, visiting_order
from recbench.samplers.in_batch import slates
from recbench.settings import Positive


@SAMPLERS.add("mixed")
@dataclass(frozen=True, kw_only=True)
class Mixed(Sampler):
    """The batch's positives, and `uniform` times as many distinct uniform items, as everybody's slate.

    Yang et al., WWW 2020, https://doi.org/10.1145/3366424.3386195. Slots 0..B-1 hold the positives, then come the
    uniform items; those that are training positives of a user are masked, or count as negatives without
    `mask_positives`. `log_q` [B, N] is the log of the mixture
    (B times the share of positive rows that have the item + N - B times 1 / the number of items) / N.
    """

    only_positives = True
    uniform: Positive = 1.0
    mask_positives: bool = True

    @property
    def gives(self) -> frozenset[str]:
        """The row of each slate, negatives beside its positive, and how likely a slot holds its item."""
        return frozenset({"row", "negatives", "slot probabilities"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [1, N], mask and label [B, N]."""
        rows, seen = positive_rows(data), data.items.seen
        share = torch.bincount(data.train.item[rows], minlength=len(data.items)) / len(rows)
        for index in visiting_order(data, generator, rows).split(size):
            batch = logged_rows(data.train, index)
            wanted = max(1, round(len(index) * self.uniform))
            pool = torch.randperm(seen, generator=generator, device=rows.device)[:wanted]
            item = torch.cat([batch.item[:, 0], pool])
            mixture = (len(index) * share[item] + len(pool) / seen) / len(item)
            yield slates(batch, item, mixture.log(), data, mask_positives=self.mask_positives)
