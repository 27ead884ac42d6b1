"""Where shapes should not depend on data: on a GPU, which else is waited for, and whose steps are recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import device

_everywhere: ContextVar[bool] = ContextVar("fixed shapes everywhere", default=False)


def fixed_shapes(on: device) -> bool:
    """Return whether shapes on a device should be the same for all data, even at the price of more arithmetic."""
    return on.type != "cpu" or _everywhere.get()


@contextmanager
def fixed_shapes_everywhere() -> Iterator[None]:
    """Do on a CPU as on a GPU, for checks of what happens there."""
    token = _everywhere.set(True)
    try:
        yield
    finally:
        _everywhere.reset(token)
