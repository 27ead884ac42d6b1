"""A dataset of a few pairs, for graphs that are checked by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.data.dataset import Dataset, Log, Table
from recbench.data.manifest import Column


def dataset(user: Tensor, item: Tensor, users: int, items: int) -> Dataset:
    """All rows positive."""

    def table(count: int) -> Table:
        return Table((Column("id", "categorical", count + 1, 1),), torch.arange(1, count + 1).int()[:, None], count)

    log = Log(user.int(), item.int(), torch.ones(len(user), 1, dtype=torch.uint8))
    return Dataset("tiny", "random", "0", None, ("like",), table(users), table(items), log, log)  # type: ignore[arg-type]
