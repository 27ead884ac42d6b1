"""Raw files to tables: one module per family of datasets, each with `read(spec, source) -> Raw`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import polars as pl

    from recbench.data.catalog import Spec


@dataclass(frozen=True)
class Raw:
    """What a reader returns.

    The log holds the user and item keys and the columns that feedback, filter and time need; for the shipped
    split also `split` (train, valid or test), and `truth_<feedback>` where the true probability is known.
    The users and items frames hold a key and its features, each key once; None where the features stand in the log.
    """

    log: pl.DataFrame
    users: pl.DataFrame | None = None
    items: pl.DataFrame | None = None


@dataclass(frozen=True)
class Source:
    """Where and what to read: the files by name (as in the catalogue), and the options of `prepare`."""

    files: Mapping[str, Path]
    split: str
    rows: int | None = None  # of generated data
    seed: int = 0


def reader(name: str) -> Callable[[Spec, Source], Raw]:
    """Return the `read` function of a family; the name must be one that the catalogue has checked."""
    module = importlib.import_module(f"recbench.data.readers.{name}")
    return cast("Callable[[Spec, Source], Raw]", module.read)
