"""`recbench prepare`: raw files to a prepared folder, the same bytes for the same input."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import recbench
from recbench.data import entities, manifest, sources, store
from recbench.data.catalog import Spec, find
from recbench.data.entities import Entities
from recbench.data.readers import Source, reader
from recbench.data.rows import Rows
from recbench.data.rows import build as build_rows
from recbench.data.split import PARTS, check
from recbench.data.synthetic import ROWS
from recbench.errors import DataError, UsageError
from recbench.home import prepared_home


@dataclass(frozen=True)
class Prepared:
    """A prepared folder and its manifest; `fresh` is False if it was there already."""

    folder: Path
    manifest: dict[str, Any]
    fresh: bool


def prepare(
    name: str,
    *,
    split: str | None = None,
    raw: Path | None = None,
    force: bool = False,
    catalog: Path | None = None,
    rows: int | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda step: None,
) -> Prepared:
    """Prepare one dataset of the catalogue under `$RECBENCH_HOME/prepared/<name>/<split>`.

    `raw` is where its files lie, `catalog` a user's own TOML, `rows` the size of generated data; `progress` hears
    of each step. What is prepared already from the same files and options is only marked as the most recent.
    Raises UsageError for what cannot be meant and DataError for bad files; both leave the folder as it was.
    """
    spec = find(name, catalog)
    split = split or spec.split
    check(name, split, spec.splits, spec.time is not None)
    if spec.files and rows is not None:
        raise UsageError(f"--rows sizes generated data, but {name} is read from files; leave it out")
    source = Source(
        files=sources.locate(spec, split, raw),
        split=split,
        rows=rows if spec.files or rows is not None else ROWS,
        seed=seed,
    )
    options = manifest.options(spec, split, source.rows, seed)
    folder = prepared_home() / name / split
    if not force:
        found = _reusable(folder, options, source)
        if found is not None:
            store.touch(folder)
            found |= _about(spec) | {"counts": manifest.compare(spec.expect, found["counts"]["found"])}
            return Prepared(folder, found, fresh=False)
    described = sources.describe(source.files)
    progress(f"reading {', '.join(source.files) or name}")
    try:
        content = reader(spec.reader)(spec, source)
        progress("splitting and labelling")
        log = build_rows(spec, content, source)
        progress("encoding users and items")
        train = log.of("train")
        users = entities.build(log.log, content.users, spec.user, train, spec.bag_separator)
        items = entities.build(log.log, content.items, spec.item, train, spec.bag_separator)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{name}: {reason}; check the columns that the catalogue names") from error
    tables = _tables(log, users, items)
    told = {
        "format": store.FORMAT,
        "dataset": name,
        "split": split,
        **_about(spec),
        "fingerprint": store.fingerprint([log.feedback, users.columns, items.columns], tables),
        **manifest.facts(spec, log, users, items),
        "sources": described,
        "absent": [file for file in spec.optional_files if file not in source.files],
        "options": options,
        "rules": manifest.rules(spec, split),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
    }
    progress(f"writing {folder}")
    store.write(folder, tables | _vocabularies(users, items), told)
    return Prepared(folder, told, fresh=True)


def _reusable(folder: Path, options: dict[str, Any], source: Source) -> dict[str, Any] | None:
    try:
        found = store.read_manifest(folder)
        same = found["options"] == options
        complete = all((folder / f"{table}.parquet").exists() for table in ("users", "items", *PARTS))
        return found if same and complete and sources.unchanged(found["sources"], source.files) else None
    except (DataError, KeyError, TypeError):
        return None


def _about(spec: Spec) -> dict[str, str]:
    return {"title": spec.title, "licence": spec.licence, "citation": spec.citation, "note": spec.note}


def _tables(log: Rows, users: Entities, items: Entities) -> dict[str, pl.DataFrame]:
    table = log.table(users.row, items.row)
    parts = {part: table.filter(pl.Series(log.of(part))) for part in PARTS}
    return {"users": users.table, "items": items.table, **parts}


def _vocabularies(users: Entities, items: Entities) -> dict[str, pl.DataFrame]:
    tables = {}
    for side, entity in (("user", users), ("item", items)):
        tables[f"vocabulary/{side}"] = entity.keys
        tables |= {f"vocabulary/{side}.{name}": frame for name, frame in entity.vocabularies.items()}
    return tables


def _versions() -> dict[str, str]:
    return {
        "recbench": recbench.__version__,
        "python": platform.python_version(),
        "polars": pl.__version__,
        "numpy": np.__version__,
    }
