"""Which datasets are prepared, and where."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from recbench.data.how_to_prepare import prepare_command
from recbench.data.prepared_folder import restore
from recbench.errors import UsageError, first_few, suggestion, unknown
from recbench.home import prepared_home
from recbench.sources.catalog import load


def prepared_folders() -> list[Path]:
    """Return the folders of all prepared datasets, the most recently prepared first."""
    restore(prepared_home())
    prepared = []
    for manifest in prepared_home().glob("*/*/manifest.json"):
        with suppress(FileNotFoundError):  # another process may be replacing it
            prepared.append((manifest.stat().st_mtime_ns, manifest.parent))
    return [folder for _, folder in sorted(prepared, reverse=True)]


def how_found(name: str | None, folder: Path) -> str:
    """Return DATASET/SPLIT of what `find_prepared` returned for a name, and what else the name could have meant."""
    found = f"{folder.parent.name}/{folder.name}"
    if name is None:
        return f"{found} (the most recently prepared)"
    others = [f"{other.parent.name}/{other.name}" for other in prepared_folders() if other.parent.name == name]
    others = [other for other in others if other != found]
    return f"{found} (the most recently prepared; {first_few(others)} can be named)" if others else found


def find_prepared(name: str | None) -> Path:
    """Return the folder of `<dataset>` or `<dataset>/<split>`, or of the most recently prepared one.

    Raises UsageError if there is none.
    """
    folders = prepared_folders()
    if name is None:
        if not folders:
            raise UsageError("no dataset is prepared; run `recbench prepare synthetic` first")
        return folders[0]
    dataset, _, split = name.partition("/")
    for folder in folders:
        if folder.parent.name == dataset and split in ("", folder.name):
            return folder
    splits = [f"{dataset}/{folder.name}" for folder in folders if folder.parent.name == dataset]
    catalogue = load()
    bare = split.partition("+")[0]
    if bare and dataset in catalogue and bare not in catalogue[dataset].all_splits:
        raise unknown(f"split of {dataset}", bare, catalogue[dataset].all_splits)
    splits.sort(key=lambda other: other.partition("/")[2].partition("+")[0] != bare)  # those most like it come first
    if splits:
        raise UsageError(
            f"{name} is not prepared, but {first_few(splits)}; name one of these, "
            f"or run {prepare_command(dataset, split)} first"
        )
    if dataset in catalogue:
        raise UsageError(f"{name} is not prepared; run {prepare_command(dataset, split)} first")
    known = [*catalogue, *(folder.parent.name for folder in folders)]
    raise UsageError(
        f"{name} is not prepared, nor in the catalogue; {suggestion(dataset, known)}see `recbench list datasets`"
    )
