"""Datasets: prepare one, or open one that is prepared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl

from recbench.api.public import public
from recbench.api.table import Table
from recbench.data.dataset import Dataset
from recbench.data.manifest import Manifest, Part
from recbench.data.manifest_file import read_manifest
from recbench.data.prepared_datasets import find_prepared
from recbench.memory import Memory
from recbench.preparation import prepare as preparation
from recbench.preparation.progress_display import Display
from recbench.preparation.report import report
from recbench.terminal import TerminalConsole
from recbench.training.model import pick_device


class PreparedData(Table):
    """A prepared dataset: where it lies and what is in it. `load` gives its tensors."""

    def __init__(self, folder: Path, manifest: Manifest, fresh: bool = False) -> None:
        parts = [
            {"part": part, "rows": manifest.rows[part], **dict(manifest.rates[part].items())} for part in manifest.rows
        ]
        super().__init__(pl.DataFrame(parts), report(preparation.Prepared(folder, manifest, fresh)))
        self.folder = folder
        self.manifest = manifest

    @property
    def name(self) -> str:
        """DATASET/SPLIT, as `train` and the commands take it."""
        return f"{self.manifest.dataset}/{self.manifest.split}"

    @property
    def fingerprint(self) -> str:
        """Digest of the prepared rows: numbers compare where it is the same."""
        return self.manifest.fingerprint

    @property
    def feedback(self) -> tuple[str, ...]:
        """The kinds of feedback, from dense to sparse."""
        return self.manifest.feedback

    @public
    def load(self, device: str = "cpu") -> Dataset:
        """Return the tensors of the entity tables and of the train and validation rows."""
        return Dataset.load(self.folder, pick_device(device))

    @public
    def rows(self, part: Part) -> pl.DataFrame:
        """Return the rows of "train", "valid" or "test": numbers of user and item, and a column per feedback."""
        data = self.load()
        log = data.read(part)
        columns = {"user": log.user, "item": log.item}
        columns |= {name: log.label[:, column] for column, name in enumerate(data.feedback)}
        return pl.DataFrame({name: column.numpy() for name, column in columns.items()})

    @public
    def raw_ids(self, side: Literal["user", "item"]) -> pl.DataFrame:
        """Return the number `row` of every user or item beside the raw columns that identify it."""
        return self.load().raw_ids(side)


@public
def prepare(
    dataset: str,
    *,
    raw: str | Path | None = None,
    split: str | None = None,
    rule: str | None = None,
    feedback: str | Sequence[str] | None = None,
    ratio: tuple[int, int, int] | None = None,
    split_days: int | None = None,
    split_date: date | None = None,
    rows: int | None = None,
    seed: int = 0,
    max_memory: str | None = None,
    accept_licence: bool = False,
    catalog: str | Path | None = None,
    force: bool = False,
    quiet: bool = False,
) -> PreparedData:
    """Prepare a dataset of the catalogue, or find it as it was prepared before; `recbench prepare`.

    The arguments are the options of the command: `raw` the folder of the raw files, `feedback` names or expressions
    such as "rating>=4", `ratio` the parts of train, valid and test, `rows` the size of `synthetic`. Without
    `accept_licence` a download asks at a terminal, and is refused elsewhere.
    Raises UsageError for options that make no sense and DataError for bad files.

        rb.prepare("ml-1m", raw="~/ml-1m", split="user", feedback=["rating>=4"])
    """
    words = feedback if feedback is None or isinstance(feedback, str) else ",".join(feedback)
    console = TerminalConsole(stderr=True, quiet=quiet)
    with Display(console, dataset) as display:
        done = preparation.prepare(
            dataset,
            preparation.Variant(split, rule, words, ratio, split_days, split_date),
            raw=None if raw is None else Path(raw).expanduser(),
            force=force,
            catalog=None if catalog is None else Path(catalog).expanduser(),
            rows=rows,
            seed=seed,
            memory=Memory.parse(max_memory),
            progress=display,
            accept=(lambda _: True) if accept_licence else display.ask,
        )
    return PreparedData(done.folder, done.manifest, done.fresh)


@public
def prepared(dataset: str | None = None) -> PreparedData:
    """Open what is prepared as DATASET or DATASET/SPLIT, or what was prepared last.

    Raises UsageError if there is none.

        rb.prepared("ml-1m/user").rows("train")
    """
    folder = find_prepared(dataset)
    return PreparedData(folder, read_manifest(folder))
