"""How much the features of entities say of each other."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.data.dataset import Table


def mutual_information(table: Table) -> Tensor:
    """Return the mutual information of each two columns [columns, columns] in nats, over the entities seen in train.

    It is 0 on the diagonal, which is left out since a long bag has very many pairs of values with itself. Sum over
    values a and b of p(a, b) log(p(a, b) / (p(a) p(b))), of an entity drawn uniformly and, of a bag, one of its members
    drawn uniformly. To be unknown is a value too.
    """
    value, columns = table.value[: table.seen].long(), []
    start = 0
    for column in table.columns:
        block = value[:, start : start + column.width]
        member = (block > 0) | (block.amax(1, keepdim=True) == 0) & (
            torch.arange(column.width, device=value.device) == 0
        )
        columns.append((block, member / member.sum(1, keepdim=True).double(), column.size))
        start += column.width
    shared = value.new_zeros(len(columns), len(columns), dtype=torch.double)
    for a, (block, weight, size) in enumerate(columns):
        for b, (other, other_weight, other_size) in enumerate(columns[a + 1 :], a + 1):
            key = (block[:, :, None] * other_size + other[:, None, :]).flatten()
            joint = (weight[:, :, None] * other_weight[:, None, :]).flatten() / max(1, len(value))
            pair, place = torch.unique(key, return_inverse=True)
            both = joint.new_zeros(len(pair)).index_add_(0, place, joint)
            one = _distribution(block, weight, size)[pair // other_size]
            two = _distribution(other, other_weight, other_size)[pair % other_size]
            shared[a, b] = shared[b, a] = torch.special.xlogy(both, both / (one * two)).nansum()
    return shared


def _distribution(block: Tensor, weight: Tensor, size: int) -> Tensor:
    """Return the probability of each id of a column, [size]."""
    return weight.new_zeros(size).index_add_(0, block.flatten(), weight.flatten()) / max(1, len(block))
