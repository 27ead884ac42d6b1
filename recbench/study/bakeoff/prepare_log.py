"""From a file to a prepared dataset: a catalogue entry that is guessed, said and written, then used."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from recbench.data.prepared_datasets import find_prepared, prepared_folders
from recbench.errors import UsageError, counted
from recbench.preparation.prepare import Prepared, prepare
from recbench.preparation.progress_display import Display
from recbench.preparation.report import warnings
from recbench.results.files import write_atomically
from recbench.sources import catalog as catalogues
from recbench.sources.guess_table import Given, catalogue_text, dataset_name, guess_table
from recbench.terminal import print_line


def prepare_data(data: str, given: Given, catalog: Path | None, console: Console) -> str:
    """Return DATASET/SPLIT of a log of the user's or a dataset, prepared now if it is not yet.

    Raises UsageError for what is neither, and for columns given of what is no file.
    """
    path = Path(data)
    if path.is_file():
        return prepare_file(path, given, catalog, console)
    if given != Given() or catalog is not None:
        options = "--user, --item, --time, --feedback, --users, --items and --catalog"
        raise UsageError(f"{data}: no such file; {options} are for files")
    if path.suffix[1:].isalpha():  # as of a file; in a name of a split only numbers follow a dot
        raise UsageError(f"{data}: no such file, and no dataset is called so; see `recbench list datasets`")
    return prepare_dataset(data, console)


def prepare_file(path: Path, given: Given, catalog: Path | None, console: Console) -> str:
    """Prepare a log of the user's and return DATASET/SPLIT; what its columns mean is written to a catalogue.

    A catalogue that is there already is used as it is, so that it can be changed by hand. Raises UsageError where
    `given` says otherwise than it does.
    """
    built_in = catalogues.load()
    name = dataset_name(path, built_in)
    written_to = catalog or Path(f"{name}.toml")
    if written_to.exists():
        if given != Given() and catalogue_text(name, guess_table(path, given).table) != written_to.read_text():
            raise UsageError(
                f"{written_to} says something else of the columns of {path.name}; change it there, or delete it"
            )
        print_line(console, f"columns as {written_to} has them")
        own = [known for known in catalogues.load(written_to) if known not in built_in]
        name = own[0] if len(own) == 1 else name
    else:
        with console.status(f"looking at {path.name}"):
            guess = guess_table(path, given)
        for line in guess.lines:
            print_line(console, f"guessed: {line}")
        write_atomically(written_to, catalogue_text(name, guess.table))
        print_line(console, f"written to {written_to}: change it there if a guess is wrong, and type the same again")
    return _prepare(name, written_to, console)


def prepare_dataset(name: str, console: Console) -> str:
    """Return DATASET/SPLIT of a dataset, prepared now if its catalogue has it and it is not prepared yet.

    Raises UsageError for a name that neither the catalogue nor the prepared datasets have.
    """
    dataset, _, split = name.partition("/")
    prepared = any(folder.parent.name == dataset for folder in prepared_folders())
    listed = dataset in catalogues.load()
    if not prepared and not split and listed:
        return _prepare(dataset, None, console)
    if not prepared and not listed and Path(name).is_dir():
        raise UsageError(
            f"{name} is a folder; name one file of it, or write all into the `files` of a catalogue entry "
            "(docs/datasets.md) for `recbench prepare`"
        )
    folder = find_prepared(name)
    return f"{folder.parent.name}/{folder.name}"


def _prepare(name: str, catalog: Path | None, console: Console) -> str:
    with Display(console, name) as display:
        prepared: Prepared = prepare(name, catalog=catalog, progress=display, accept=display.ask)
    manifest = prepared.manifest
    rows = sum(manifest.rows.values())
    shares = ", ".join(manifest.feedback)
    print_line(
        console,
        f"{counted(rows, 'row')}, {counted(manifest.users.count, 'user')}, {counted(manifest.items.count, 'item')}; "
        f"feedback {shares}",
    )
    for line in warnings(manifest):
        print_line(console, f"warning: {line}")
    return f"{prepared.folder.parent.name}/{prepared.folder.name}"
