"""One embedding table for all features of an entity."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.data.dataset import Table


class Features(nn.Module):
    """Concatenates the embeddings of an entity's features, bags averaged over their members, and its dense vectors.

    All features share one flat table with offsets, so that a batch costs one gather. Id 0 (unknown, padding)
    starts at zero.
    """

    index: Tensor
    weight: Tensor
    dense: Tensor | None

    def __init__(self, table: Table, embedding: int) -> None:
        super().__init__()
        sizes = [column.size for column in table.columns]
        widths = [column.width for column in table.columns]
        offset = torch.tensor([sum(sizes[:c]) for c in range(len(sizes))], dtype=torch.int32)
        column_of_slot = torch.repeat_interleave(torch.arange(len(widths)), torch.tensor(widths))
        device = table.value.device
        self.widths = widths
        self.output = embedding * len(widths) + (0 if table.dense is None else table.dense.shape[1])
        self.register_buffer("index", table.value + offset[column_of_slot].to(device), persistent=False)
        self.register_buffer("weight", _bag_weights(table.value, widths), persistent=False)
        self.register_buffer("dense", table.dense, persistent=False)
        self.table = nn.Parameter(torch.randn(sum(sizes), embedding))
        with torch.no_grad():
            self.table[offset.long()] = 0

    def forward(self, row: Tensor) -> Tensor:
        """Return the concatenated features [n, output] of entities [n]."""
        embedded = self._embedded(row)
        return embedded if self.dense is None else torch.cat([embedded, self.dense[row]], 1)

    def _embedded(self, row: Tensor) -> Tensor:
        vectors = F.embedding(self.index[row], self.table)  # [n, slots, embedding]
        if max(self.widths, default=1) == 1:
            return vectors.flatten(1)
        parts, start = [], 0
        for width in self.widths:
            part = vectors[:, start : start + width]
            if width > 1:
                part = (part * self.weight[row, start : start + width, None]).sum(1, keepdim=True)
            parts.append(part)
            start += width
        return torch.cat(parts, 1).flatten(1)


def _bag_weights(value: Tensor, widths: list[int]) -> Tensor:
    """Return 1 / (members of the bag) for each slot of a bag, 0 for its padding, 1 for single values."""
    blocks = []
    for block in (value > 0).float().split(widths, 1):
        single = block.shape[1] == 1
        blocks.append(torch.ones_like(block) if single else block / block.sum(1, keepdim=True).clamp(min=1))
    return torch.cat(blocks, 1) if blocks else torch.zeros(len(value), 0, device=value.device)
