"""A dataset with all kinds of features, and embeddings and layers by plain loops."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recbench.backbones.building_blocks.features import Features
from recbench.data.dataset import Dataset, Table
from recbench.data.manifest import Column
from tests.conftest import make_dataset


def rich_table(count: int, seed: int = 0) -> Table:
    """Two categories, a bag, and a dense vector of three numbers."""
    generator = torch.Generator().manual_seed(seed)
    columns = (Column("id", "categorical", count + 1, 1), Column("tags", "bag", 6, 3), Column("age", "numeric", 5, 1))
    tags = torch.randint(6, (count, 3), generator=generator)
    age = torch.randint(1, 5, (count, 1), generator=generator)
    value = torch.cat([torch.arange(1, count + 1)[:, None], tags, age], 1).int()
    return Table(columns, value, seen=count, dense=torch.randn(count, 3, generator=generator))


def rich_dataset() -> Dataset:
    """The toy log with the features of `rich_table`."""
    data = make_dataset()
    return replace(data, users=rich_table(len(data.users)), items=rich_table(len(data.items), seed=1))


def loop_fields(features: Features, table: Table, row: int) -> list[list[float]]:
    """Return the embeddings of one entity's features, one list each, by plain loops."""
    weights = features.table.tolist()
    fields, slot, offset = [], 0, 0
    for column in table.columns:
        ids = [int(i) for i in table.value[row, slot : slot + column.width]]
        members = ids if column.kind != "bag" else [i for i in ids if i > 0]
        vectors = [weights[offset + i] for i in members]
        size = len(weights[0])
        fields.append([sum(v[d] for v in vectors) / max(1, len(vectors)) for d in range(size)])
        slot += column.width
        offset += column.size
    return fields


def loop_linear(weight: Tensor, x: list[float], bias: Tensor | None = None) -> list[float]:
    """Return W x + b by plain loops."""
    shift = bias.tolist() if bias is not None else [0.0] * len(weight)
    return [b + sum(w * v for w, v in zip(row, x, strict=True)) for row, b in zip(weight.tolist(), shift, strict=True)]
