"""One pool of negatives for all users of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.samplers.base import SAMPLERS, Sampler, logged_rows, positive_rows, visiting_order
from recbench.samplers.pool import slates
from recbench.settings import Count


@SAMPLERS.add("shared")
@dataclass(frozen=True, kw_only=True)
class Shared(Sampler):
    """The batch's positives and one pool of uniform negatives for all users.

    Slots 0..B-1 hold the positives, of which each user sees only its own; then come `negatives * B` distinct items,
    drawn without replacement, of which a user's training positives are masked (CROLoss, section 4.1.4).
    """

    only_positives = True
    negatives: Count = 10

    @property
    def gives(self) -> frozenset[str]:
        """The row of each slate, and negatives beside its positive."""
        return frozenset({"row", "negatives"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [1, B + pool], mask and label [B, B + pool]."""
        rows = positive_rows(data)
        for index in visiting_order(data, generator, rows).split(size):
            wanted = len(index) * self.negatives
            pool = torch.randperm(data.items.seen, generator=generator, device=rows.device)[:wanted]
            yield slates(logged_rows(data.train, index), pool, data, mask_positives=True)
