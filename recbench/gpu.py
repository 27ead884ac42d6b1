"""What is better computed in another way on a GPU, and the same way on a CPU to check it.

A GPU is waited for where shapes depend on data, and its steps are recorded; there it pays to have shapes that do not,
at the price of more arithmetic. Sums by index are in whatever order its threads come, unless they are sorted first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

_everywhere = [False]  # not a ContextVar, which torch.compile cannot see through
_fixed_shapes = [False]


def as_on_gpu(device: torch.device) -> bool:
    """Return whether to compute on a device as on a GPU."""
    return device.type != "cpu" or _everywhere[0]


def fixed_shapes(device: torch.device) -> bool:
    """Return whether to compute on a device with shapes that do not depend on data."""
    return as_on_gpu(device) or _fixed_shapes[0]


@contextmanager
def everywhere_as_on_gpu() -> Iterator[None]:
    """Do on a CPU as on a GPU, for checks of what happens there."""
    with _set(_everywhere):
        yield


@contextmanager
def everywhere_fixed_shapes() -> Iterator[None]:
    """Have shapes on a CPU that do not depend on data, as models need that are stepped side by side."""
    with _set(_fixed_shapes):
        yield


@contextmanager
def _set(switch: list[bool]) -> Iterator[None]:
    before, switch[0] = switch[0], True
    try:
        yield
    finally:
        switch[0] = before


def rows_at(table: Tensor, index: Tensor) -> Tensor:
    """Return the rows [..., D] of a table [n, D] that indices [...] name; gradients add up in one order.

    On a GPU brackets are faster than `F.embedding`, on a CPU two to seven times slower. There `index_select` adds up
    the same sums in a half to a quarter of its time, but on a GPU in any order.
    """
    if as_on_gpu(table.device):
        return table[index]
    return table.index_select(0, index.flatten().long()).view(*index.shape, *table.shape[1:])


def add_at(total: Tensor, index: Tensor, value: Tensor) -> Tensor:
    """Add each value [m, ...] to the row of `total` [n, ...] that its index [m] names, in place and in one order."""
    if as_on_gpu(total.device):
        return total.index_put_((index,), value, accumulate=True)
    return total.index_add_(0, index, value)


def free_memory(device: torch.device) -> int:
    """Return the bytes of a GPU's memory that tensors can take: what is free, and what torch holds unused."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused
