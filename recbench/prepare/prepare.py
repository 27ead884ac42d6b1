"""`recbench prepare`: raw files to a prepared folder, the same bytes for the same input, in bounded memory."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import recbench
from recbench.data import prepared_folder as store
from recbench.errors import DataError, UsageError
from recbench.home import prepared_home
from recbench.memory import Memory, peak
from recbench.prepare import leak_certificate as certificate
from recbench.prepare import manifest
from recbench.prepare.build import build
from recbench.prepare.split import PARTS, check
from recbench.progress import Progress
from recbench.readers.base import Source
from recbench.sources import raw_files as sources
from recbench.sources.catalog import choose_feedback, find
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.raw_files import Accept
from recbench.sources.synthetic_shop import ROWS

TABLES = ("users", "items", *PARTS)


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
    rule: str | None = None,
    feedback: str | None = None,
    ratio: tuple[int, int, int] | None = None,
    raw: Path | None = None,
    force: bool = False,
    catalog: Path | None = None,
    rows: int | None = None,
    seed: int = 0,
    memory: Memory | None = None,
    progress: Progress | None = None,
    accept: Accept = lambda _: False,
) -> Prepared:
    """Prepare one dataset of the catalogue under `$RECBENCH_HOME/prepared/<name>/<variant>`.

    The variant is the split, with the rule, feedback and ratio that differ from the catalogue's after it. `raw` is
    where its files lie, `catalog` a user's own TOML, `rows` the size of generated data, `memory` the limit to keep
    (half of the machine's by default); `accept` is asked before a download whose
    licence must be accepted. What is prepared already from the same files and options is only marked as
    the most recent. Raises UsageError for what cannot be meant and DataError for bad files; both leave the folder as
    it was.
    """
    spec = find(name, catalog, rule)
    words = [split or spec.split]
    words += [rule] if rule is not None and rule != find(name, catalog).rule else []
    if feedback is not None:
        spec = choose_feedback(spec, feedback)
        words.append("-".join(spec.feedback))
    if ratio is not None:
        spec = replace(spec, ratio=ratio, expect=replace(spec.expect, train=None, test=None))
        words.append("-".join(map(str, ratio)))
    memory, progress = memory or Memory.of(None), progress or Progress()
    check(name, words[0], spec.splits, spec.time is not None)
    if spec.files and rows is not None:
        raise UsageError(f"--rows sizes generated data, but {name} is read from files; leave it out")
    source = Source(
        files=sources.locate(spec, words[0], raw, progress, accept),
        split=words[0],
        rows=rows if spec.files or rows is not None else ROWS,
        seed=seed,
        block=memory.block,
        advance=progress.advance,
    )
    options = manifest.options(spec, source.split, source.rows, seed)
    folder = prepared_home() / name / "+".join(words)
    if not force:
        found = _reusable(folder, options, source)
        if found is not None:
            store.touch(folder)
            found |= _about(spec) | {"counts": manifest.compare(spec.expect, found["counts"]["found"])}
            return Prepared(folder, found, fresh=False)
    told = _prepared(spec, source, folder, options, memory, progress)
    return Prepared(folder, told, fresh=True)


def _prepared(
    spec: DatasetSpec, source: Source, folder: Path, options: dict[str, Any], memory: Memory, progress: Progress
) -> dict[str, Any]:
    """Write the prepared folder and return its manifest."""
    began = time.monotonic()
    described = sources.FileDigests(source.files)
    with store.replacing(folder) as temporary:
        try:
            facts = build(spec, source, temporary, memory, progress)
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{spec.name}: {reason}; check the columns that the catalogue names") from error
        told = {
            "format": store.FORMAT,
            "dataset": spec.name,
            "split": folder.name,
            **_about(spec),
            "fingerprint": store.fingerprint(_schema(facts), temporary, TABLES),
            **facts,
            "sources": described.result(),
            "absent": [file for file in spec.optional_files if file not in source.files],
            "options": options,
            "rules": manifest.rules(spec, source.split),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": _versions(),
        }
        progress.step("certifying", None)
        told["certificate"] = certificate.as_json(certificate.certify(temporary, told))
        told["cost"] = {"seconds": time.monotonic() - began, "peak_bytes": peak(), "max_memory": memory.limit}
        store.write_manifest(temporary, told)
    return told


def _reusable(folder: Path, options: dict[str, Any], source: Source) -> dict[str, Any] | None:
    try:
        found = store.read_manifest(folder)
        same = found["options"] == options
        complete = all((folder / f"{table}.parquet").exists() for table in TABLES)
        return found if same and complete and sources.unchanged(found["sources"], source.files) else None
    except (DataError, KeyError, TypeError):
        return None


def _about(spec: DatasetSpec) -> dict[str, Any]:
    """Return what the catalogue says beside the options; it may change without preparing again."""
    about = {"title": spec.title, "licence": spec.licence, "citation": spec.citation, "note": spec.note}
    return about | {"aggregates": spec.aggregates}


def _schema(facts: dict[str, Any]) -> list[Any]:
    return [facts["feedback"], facts["users"]["columns"], facts["items"]["columns"]]


def _versions() -> dict[str, str]:
    return {
        "recbench": recbench.__version__,
        "python": platform.python_version(),
        "polars": pl.__version__,
        "numpy": np.__version__,
    }
