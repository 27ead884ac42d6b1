"""One embedding table for all features of an entity."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbench.backbones.building_blocks.row_table import RowTable, rows_of
from recbench.data.dataset import Table
from recbench.memory import check_room


class Features(nn.Module):
    """Concatenates the embeddings of an entity's features, bags averaged over their members, and its dense vectors.

    All features share one flat table with offsets, so that a batch costs one gather. Id 0 (unknown, padding)
    starts at zero and is learned where it is a value: an empty bag is zero, but unknown where no bag has several. With
    `senet`, every field is first multiplied by a number in (0, 1) that depends on all fields of the same entity; the
    dense vectors count as one field.

    With `kept`, some values of single entities are left out: it is a mask for each entity, with a place for each slot
    of a column and one for all dense vectors. A feature of which nothing is kept counts as unknown.
    """

    index: Tensor
    unknown: Tensor
    weight: Tensor
    dense: Tensor | None

    def __init__(self, table: Table, embedding: int, senet: bool = False) -> None:
        super().__init__()
        sizes = [column.size for column in table.columns]
        check_room(sum(sizes), embedding, "backbone.embedding")
        widths = [column.width for column in table.columns]
        offset = torch.tensor([sum(sizes[:c]) for c in range(len(sizes))], dtype=torch.int32)
        column_of_slot = torch.repeat_interleave(torch.arange(len(widths)), torch.tensor(widths))
        device = table.value.device
        self.widths = widths
        self.values = sum(widths) + (table.dense is not None)
        self.output = embedding * len(widths) + (0 if table.dense is None else table.dense.shape[1])
        self.register_buffer("unknown", offset[column_of_slot].to(device), persistent=False)
        self.register_buffer("index", table.value + self.unknown, persistent=False)
        self.register_buffer("weight", _bag_weights(table.value, widths), persistent=False)
        self.register_buffer("dense", table.dense, persistent=False)
        self.table = RowTable(torch.randn(sum(sizes), embedding))
        with torch.no_grad():
            self.table[offset.long()] = 0
        self.gate = field_gate(len(widths) + (table.dense is not None)) if senet else None

    def buffers_of(self, value: Tensor, dense: Tensor | None) -> dict[str, Tensor]:
        """Return the buffers that hold other entities in place of the table's, by name.

        `value` [n, slots] and `dense` [n, numbers] are as in `Table`.
        """
        buffers = {"index": value + self.unknown, "weight": _bag_weights(value, self.widths)}
        return buffers if dense is None else {**buffers, "dense": dense}

    def forward(self, row: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return the concatenated features [n, output] of entities [n], of which `kept` [n, values] is kept."""
        fields, dense = self.fields(row, kept), self.dense_vectors(row, kept)
        if self.gate is not None:
            fields, dense = _gated(self.gate, fields, dense)
        return fields.flatten(1) if dense is None else torch.cat([fields.flatten(1), dense], 1)

    def dense_vectors(self, row: Tensor, kept: Tensor | None = None) -> Tensor | None:
        """Return the dense vectors [n, numbers] of entities [n], of which `kept` [n, values] is kept."""
        if self.dense is None or kept is None:
            return None if self.dense is None else self.dense[row]
        return self.dense[row] * kept[:, -1:]

    def fields(self, row: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return the embeddings [n, features, embedding] of entities [n], without gate or dense vectors."""
        several = max(self.widths, default=1) > 1
        index = self.index.index_select(0, row)  # on a CPU twice as fast as self.index[row]
        weight = self.weight.index_select(0, row) if several else None
        if kept is not None:
            kept = kept[:, : index.shape[1]]
            index = torch.where(kept, index, self.unknown)
            weight = None if weight is None else _bag_weights(weight * kept, self.widths)
        vectors = rows_of(self.table, index)  # [n, slots, embedding]
        if weight is None:
            return vectors
        parts = zip(vectors.split(self.widths, 1), weight.unsqueeze(2).split(self.widths, 1), strict=True)
        return torch.cat([v if v.shape[1] == 1 else (v * w).sum(1, keepdim=True) for v, w in parts], 1)


def field_gate(fields: int) -> nn.Sequential:
    """Return the squeeze-and-excitation gate from the means of an entity's fields [n, fields] to factors in (0, 1).

    Hu et al., CVPR 2018, https://arxiv.org/abs/1709.01507, over fields as in FiBiNET (RecSys 2019) and
    with GNOLR's reduction to one half. Every entity has its own factors; the code of GNOLR (KDD 2025) takes those of
    the last row of a batch for all.
    """
    narrow = max(1, fields // 2)
    return nn.Sequential(
        nn.Linear(fields, narrow, bias=False), nn.ReLU(), nn.Linear(narrow, fields, bias=False), nn.Sigmoid()
    )


def _gated(gate: nn.Sequential, fields: Tensor, dense: Tensor | None) -> tuple[Tensor, Tensor | None]:
    means = fields.mean(-1) if dense is None else torch.cat([fields.mean(-1), dense.mean(1, keepdim=True)], 1)
    factor: Tensor = gate(means)
    gated = fields * factor[:, : fields.shape[1], None]
    return gated, None if dense is None else dense * factor[:, -1:]


def _bag_weights(value: Tensor, widths: list[int]) -> Tensor:
    """Return 1 / (members of the bag) for each slot of a bag, 0 for its padding, 1 for single values."""
    blocks = []
    for block in (value > 0).float().split(widths, 1):
        single = block.shape[1] == 1
        blocks.append(torch.ones_like(block) if single else block / block.sum(1, keepdim=True).clamp(min=1))
    return torch.cat(blocks, 1) if blocks else torch.zeros(len(value), 0, device=value.device)
