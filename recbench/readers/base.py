"""Raw files to blocks of typed rows: one module per family of datasets, each with `read(spec, source) -> RawTables`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from recbench.errors import UsageError
from recbench.sources.text_blocks import BLOCK, Advance, ignore_progress

if TYPE_CHECKING:
    import polars as pl

    from recbench.sources.dataset_spec import DatasetSpec


@dataclass(frozen=True)
class RawTables:
    """What a reader returns: frames of bounded size, all of one schema, each read only when it is asked for.

    The log, in file order, has the user and item keys, the columns that feedback, filter and time need, and those
    features that stand in no table of their own. For the shipped split it also has `part_column` (train, valid or
    test), and where true probabilities are known, the columns `truth`. Times are Int64 in the unit of the catalogue.
    The frames of users and items have a key and its features, each key once; None where features stand in the log.
    """

    log: Iterable[pl.DataFrame]
    users: Iterable[pl.DataFrame] | None = None
    items: Iterable[pl.DataFrame] | None = None
    part_column: str | None = "split"  # where the log has it
    truth: tuple[str, ...] = ()  # columns `truth_<feedback>`
    optional_keys: bool = False  # whether rows without a user or item key are meant, as where keys are features


@dataclass(frozen=True)
class Source:
    """Where and what to read: the files by name (as in the catalogue), and the options of `prepare`."""

    files: Mapping[str, Path]
    tables: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)  # those of a `Side.file`, by that word
    shipped_parts: bool = False  # whether the split is that of the raw files, so that the log must say each row's part
    rows: int | None = None  # of generated data
    seed: int = 0
    block: int = BLOCK  # bytes of text to hold at once
    advance: Advance = ignore_progress  # hears of the bytes read

    @property
    def every_file(self) -> Mapping[str, Path]:
        """All files by name, those of the log first."""
        return {name: path for files in (self.files, *self.tables.values()) for name, path in files.items()}

    def file(self, name: str) -> Path:
        """Return the path of a file that the reader cannot do without; raises UsageError if the catalogue lacks it."""
        if name not in self.files:
            raise UsageError(f"this reader needs a file called {name}; name it in `files` of the catalogue")
        return self.files[name]


def load_reader(name: str) -> Callable[[DatasetSpec, Source], RawTables]:
    """Return the `read` function of a family; the name must be one that the catalogue has checked."""
    module = importlib.import_module(f"recbench.readers.{name}")
    return cast("Callable[[DatasetSpec, Source], RawTables]", module.read)
