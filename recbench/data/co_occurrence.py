"""How many members sets have in common: items of the same users, users of the same items."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from recbench.data.dataset import Positives


def incidence(sets: Positives, size: int, chosen: range) -> Tensor:
    """Return which numbers below `size` are in each of a range of sets: ones in a sparse COO matrix [sets, size]."""
    begin, end = int(sets.start[chosen.start]), int(sets.start[chosen.stop])
    index = torch.stack([sets.user[begin:end] - chosen.start, sets.item[begin:end]])
    ones = torch.ones(end - begin, device=index.device)
    return torch.sparse_coo_tensor(index, ones, (len(chosen), size), is_coalesced=True, check_invariants=False)


def common_members(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pairs [2, P] of a row and a column that have members in common, and how many, [P].

    `rows` [n, size] and `columns` [size, m] are incidences, the latter by member; a dense product would be [n, m].
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        common = torch.sparse.mm(rows, columns)
    return common._indices(), common._values()
