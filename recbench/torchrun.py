"""Whether `torchrun` has started this process beside others, told without importing torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The place of this process among those that torchrun has started."""

    rank: int  # among all
    size: int
    local_rank: int  # among those of this machine


def is_first() -> bool:
    """Return whether this process is the one that prints and writes: the only one, or the first of all."""
    own = place()
    return own is None or own.rank == 0


def place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """Return the place of this process; None for one that trains alone."""
    if "TORCHELASTIC_RUN_ID" not in environment or int(environment["WORLD_SIZE"]) == 1:
        return None
    return Place(*(int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
