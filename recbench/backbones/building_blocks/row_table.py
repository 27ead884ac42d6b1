"""A table of vectors of which training reads rows alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from recbench.gpu import rows_at


class Sharded(Protocol):
    """A table of which this process holds some rows only."""

    numbers: int  # in the whole table

    def read(self, index: Tensor) -> Tensor:
        """Return the rows [..., D] of indices [...], whoever holds them."""


class RowTable(nn.Parameter):
    """A parameter [rows, D] of which nothing but rows is ever read in training, and these by `rows_of` alone.

    So an update of the other rows may wait until they are read; whoever trains the table then sets `reader`. And other
    processes may hold them, of which `sharded` knows.
    """

    reader: Callable[[Tensor], Tensor] | None = None  # from indices [...] to the rows [..., D] as they stand
    sharded: Sharded | None = None


def rows_of(table: nn.Parameter, index: Tensor) -> Tensor:
    """Return the rows [..., D] of a table that indices [...] name."""
    sharded: Sharded | None = getattr(table, "sharded", None)
    return own_rows(table, index) if sharded is None else sharded.read(index)


def own_rows(table: nn.Parameter, index: Tensor) -> Tensor:
    """Return the rows [..., D] that indices [...] name among those that this process holds."""
    reader: Callable[[Tensor], Tensor] | None = getattr(table, "reader", None)
    return rows_at(table, index) if reader is None else reader(index)


def numbers_in(parameter: nn.Parameter) -> int:
    """Return the numbers of a parameter, those of other processes included."""
    sharded: Sharded | None = getattr(parameter, "sharded", None)
    return parameter.numel() if sharded is None else sharded.numbers
