"""The whole catalogue as one slate, a row per positive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from recbench.batch import Batch, Pairs
from recbench.data.dataset import Dataset
from recbench.samplers.base import SAMPLERS, Sampler, positive_rows, visiting_order


@SAMPLERS.add("catalogue-rows")
@dataclass(frozen=True, kw_only=True)
class CatalogueRows(Sampler):
    """All items that occur in train as one slate, a positive at a time: a softmax then predicts the next item.

    Klenitskiy & Vasilev, RecSys 2023, https://arxiv.org/abs/2309.07602. Unlike `catalogue`, which shows a user's
    positives together, it serves backbones that read what came before each. Labels are index pairs, never a matrix of
    rows and items.
    """

    only_positives = True

    @property
    def gives(self) -> frozenset[str]:
        """All items, the feedback as pairs, and the row of each slate."""
        return frozenset({"catalogue", "row"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [1, I], one pair a row."""
        log, rows = data.train, positive_rows(data)
        catalogue = torch.arange(data.items.seen, device=rows.device)[None]
        for index in visiting_order(data, generator, rows).split(size):
            label = log.label[index].float()
            pairs = Pairs(torch.arange(len(index) + 1, device=rows.device), log.item[index].long(), label)
            nothing = label.new_empty(len(index), 0, label.shape[1])
            yield Batch(log.user[index].long(), catalogue, nothing, rows=len(index), row=index, pairs=pairs)
