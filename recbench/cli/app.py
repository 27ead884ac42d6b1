"""What all commands share: the application, its options, where they print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recbench.home import results_home

if TYPE_CHECKING:
    from rich.console import Console

    from recbench.results.record import RunRecord
    from recbench.results.store import Store

app = typer.Typer(
    name="recbench",
    help="Benchmark losses and backbones for recommendation with several kinds of implicit feedback.",
    epilog="First steps: `recbench prepare synthetic`, `recbench train --loss gnolr --backbone twintower`, "
    "`recbench eval`, `recbench leaderboard`. Add --debug to any command for a traceback.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Imports = Annotated[
    list[Path], typer.Option("--import", metavar="FILE.py", help="Register the classes of your own file.")
]
Trust = Annotated[bool, typer.Option("--trust", help="Run the files of --import that a run was trained with.")]


def store() -> Store:
    """Return the store of results."""
    from recbench.results.store import Store

    return Store(results_home())


def stderr() -> Console:
    """Return the console of progress and notes."""
    from rich.console import Console

    return Console(stderr=True)


def stdout() -> Console:
    """Return the console of what was asked for."""
    from rich.console import Console

    return Console()


def import_files(paths: Iterable[Path]) -> None:
    """Import the user's files that the command names."""
    from recbench.registry import import_file

    for path in paths:
        import_file(path)


def import_trusted(records: Iterable[RunRecord], trust: bool) -> None:
    """Import the user's files that runs were trained with if the user trusts them, or says so now at a terminal."""
    from recbench.registry import import_recorded, missing_imports

    for record in records:
        missing = missing_imports(record.imports, record.key.sources)
        if missing and (trust or confirm_code(missing, f"run {record.key.digest}")):
            import_recorded(record.imports, record.key.sources)


def confirm_code(files: Iterable[Path], owner: str) -> bool:
    """Ask at a terminal whether the code that a run or a pack brings may be run; elsewhere the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    listed = ", ".join(repr(str(path)) for path in files)
    return typer.confirm(f"{owner} was trained with the code of {listed}. Run this code?", err=True)


def names(words: str | None) -> tuple[str, ...]:
    """Return the names that one option joins by commas, each once."""
    return tuple(dict.fromkeys(name for name in (words or "").split(",") if name))


def print_json(document: object) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))
