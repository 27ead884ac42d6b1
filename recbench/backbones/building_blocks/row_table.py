"""A table of vectors of which training reads rows alone."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F


class RowTable(nn.Parameter):
    """A parameter [rows, D] of which nothing but rows is ever read in training, and these by `rows_of` alone.

    So an update of the other rows may wait until they are read; whoever trains the table then sets `reader`.
    """

    reader: Callable[[Tensor], Tensor] | None = None  # from indices [...] to the rows [..., D] as they stand


def rows_of(table: nn.Parameter, index: Tensor) -> Tensor:
    """Return the rows [..., D] of a table that indices [...] name."""
    reader: Callable[[Tensor], Tensor] | None = getattr(table, "reader", None)
    return F.embedding(index, table) if reader is None else reader(index)
