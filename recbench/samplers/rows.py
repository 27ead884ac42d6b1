"""Logged rows, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.samplers.base import SAMPLERS, Sampler, logged_batches, visiting_order


@SAMPLERS.add("rows")
@dataclass(frozen=True, kw_only=True)
class Rows(Sampler):
    """Logged rows: slates of one, with all their feedback."""

    @property
    def gives(self) -> frozenset[str]:
        """The row of each slate."""
        return frozenset({"row"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every row once per epoch, in random order: item [B, 1]."""
        yield from logged_batches(data.train, visiting_order(data, generator), size)
