"""`recbench prepare`: raw files to a prepared folder, the same bytes for the same input, in bounded memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import msgspec
import polars as pl

from recbench.data.content import digest_files, fingerprint, verify_files
from recbench.data.how_to_prepare import prepare_command
from recbench.data.manifest import PARTS, SIDES, Cost, Manifest, Options
from recbench.data.manifest_file import read_manifest, schema, write_manifest
from recbench.data.prepared_datasets import prepared_folders
from recbench.data.prepared_folder import replacing, touch
from recbench.errors import DataError, UsageError
from recbench.home import prepared_home
from recbench.memory import Memory, peak
from recbench.preparation import manifest_contents
from recbench.preparation.build import build
from recbench.preparation.leak_certificate import certify
from recbench.preparation.splits.base import Ratio, Split, check_split
from recbench.progress import Progress
from recbench.readers.base import Source
from recbench.settings import within_limits
from recbench.sources import raw_files
from recbench.sources.catalog import choose_feedback, find, load
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.raw_files import Accept
from recbench.sources.synthetic_shop import ROWS

TABLES = (*SIDES, *PARTS)
MAX_NAME = 200  # bytes of the name of a prepared folder
MAX_RATIO = 10**6


@dataclass(frozen=True)
class Variant:
    """How a dataset is prepared where not as its catalogue says: None stands for the catalogue's."""

    split: str | None = None
    rule: str | None = None
    feedback: str | None = None  # names and expressions, joined by commas
    ratio: Ratio | None = None  # of train, valid and test
    split_days: int | None = None  # days of test, splits `days` and `sessions`
    split_date: date | None = None  # first day of test; stands for split `date` where none is named


CATALOGUE = Variant()


@dataclass(frozen=True)
class Prepared:
    """A prepared folder and its manifest; `fresh` is False if it was there already."""

    folder: Path
    manifest: Manifest
    fresh: bool


def prepare(
    name: str,
    variant: Variant = CATALOGUE,
    *,
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

    The folder is called as the split is, with the rule, feedback and ratio that differ from the catalogue's after it,
    and the number of days or the date where the split is by these.
    `raw` is where its files lie, `catalog` a user's own TOML, `rows` the size of generated data, `memory` the limit to
    keep (half of the machine's by default); `accept` is asked before a download whose licence must be accepted. What
    is prepared already from the same files and options, and undamaged, is only marked as the most recent.

    Raises UsageError for options that make no sense and DataError for bad files; both leave the folder as it was.
    """
    spec, split_class = _chosen(name, variant, catalog)
    memory, progress = memory or Memory.parse(None), progress or Progress()
    _check_numbers(spec, rows, seed)
    split = split_class(spec.ratio, spec.rounding, seed, spec.split_days, spec.split_date, spec.time_unit)
    folder = prepared_home() / name / _folder_name(name, variant, spec, split, catalog)
    if spec.known_users and not split.shipped:
        raise UsageError(f"{name}: `known_users` looks at the shipped train part; prepare it with --split given")
    located = raw_files.locate(spec, (*split.raw_files(spec), *spec.tables), raw, progress, accept)
    tables = {word: located.pop(word) for word in spec.tables}
    described = {path for of_word in tables.values() for path in of_word.values()}
    log = {name: path for of_word in located.values() for name, path in of_word.items() if path not in described}
    source = Source(
        files=log,
        tables=tables,
        shipped_parts=split.shipped,
        rows=rows if spec.files or rows is not None else ROWS,
        seed=seed,
        block=memory.block,
        advance=progress.advance,
    )
    options = manifest_contents.options(spec, split, source.rows)
    existing = None if force else _reusable(folder, options, source)
    if existing is not None:
        touch(folder)
        return Prepared(folder, manifest_contents.about(spec, existing), fresh=False)
    return Prepared(folder, _write(spec, source, split, folder, options, memory, progress), fresh=True)


def _chosen(name: str, variant: Variant, catalog: Path | None) -> tuple[DatasetSpec, type[Split]]:
    """Return the dataset as the variant has it, and the class of its split."""
    if catalog is None and name not in load() and any(folder.parent.name == name for folder in prepared_folders()):
        raise UsageError(f"{name} is a dataset of your own; name its catalogue too: {prepare_command(name)}")
    spec = find(name, catalog, variant.rule)
    usual = spec.split if variant.split_date is None else "date"
    split = check_split(name, variant.split or usual, spec.splits, spec.time is not None)
    if variant.feedback is not None:
        spec = choose_feedback(spec, variant.feedback)
    typed = {option: getattr(variant, option) for option in ("ratio", "split_days", "split_date")}
    typed = {option: value for option, value in typed.items() if value is not None}
    for option in typed:
        if option not in split.options:
            named = option != "split_days" or variant.split is not None
            advice = "leave it out" if named else "add --split days, or leave it out"
            raise UsageError(f"--{option.replace('_', '-')} has no effect on split `{split.name}`; {advice}")
    if typed or split.name != spec.split:
        spec = replace(spec, expect=replace(spec.expect, train=None, test=None))
    return replace(spec, **typed), split


def _folder_name(name: str, variant: Variant, spec: DatasetSpec, split: Split, catalog: Path | None) -> str:
    """Return the split, with what differs from the catalogue and the days or the date after it."""
    words = [split.name]
    words += [spec.rule] if spec.rule != find(name, catalog).rule else []
    words += ["-".join(spec.feedback)] if variant.feedback is not None else []
    words += ["-".join(map(str, spec.ratio))] if variant.ratio is not None else []
    words += [split.folder_suffix] if split.folder_suffix else []
    folder_name = "+".join(words)
    if len(folder_name.encode()) > MAX_NAME:
        raise UsageError(
            f"--feedback {str(variant.feedback)[:40]}…: too long for the name of a folder; choose fewer types"
        )
    return folder_name


def _check_numbers(spec: DatasetSpec, rows: int | None, seed: int) -> None:
    if spec.files and rows is not None:
        raise UsageError(f"--rows sizes generated data, but {spec.name} is read from files; leave it out")
    for option, number in (("--rows", rows), ("--seed", seed), ("--split-days", spec.split_days)):
        if number is not None:
            within_limits(option, number)
    if not all(1 <= share <= MAX_RATIO for share in spec.ratio):
        words = ":".join(map(str, spec.ratio))
        raise UsageError(f"--ratio {words}: expected three whole numbers from 1 to {MAX_RATIO:,}, as in 8:1:1")


def _write(
    spec: DatasetSpec, source: Source, split: Split, folder: Path, options: Options, memory: Memory, progress: Progress
) -> Manifest:
    """Write the prepared folder and return its manifest."""
    began = time.monotonic()
    described = raw_files.FileDigests(source.every_file)
    waiting = f"another `recbench prepare` is writing {folder}; waiting for it"
    with replacing(folder, lambda: progress.show_message(waiting)) as temporary:
        try:
            built = build(spec, source, split, temporary, memory, progress)
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{spec.name}: {reason}; check the columns that the catalogue names") from error
        manifest = manifest_contents.manifest(spec, split, folder.name, built, options)
        progress.step("certifying")
        manifest = msgspec.structs.replace(
            manifest,
            fingerprint=fingerprint(schema(manifest), temporary, TABLES),
            sources=tuple(described.result()),
            absent=tuple(file for file in spec.optional_files if file not in source.files),
            certificate=tuple(certify(temporary, manifest)),
            files=digest_files(temporary),
            cost=Cost(time.monotonic() - began, peak(), memory.limit),
        )
        write_manifest(temporary, manifest)
    return manifest


def _reusable(folder: Path, options: Options, source: Source) -> Manifest | None:
    """Return the manifest of a folder that is prepared from the same files and options and not damaged."""
    try:
        manifest = read_manifest(folder)
        if manifest.options != options or not raw_files.unchanged(manifest.sources, source.every_file):
            return None
        verify_files(folder, manifest.files)
        return manifest
    except DataError:
        return None
