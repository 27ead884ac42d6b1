"""Code of users: the files of `--import`, and those that a run was trained with."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from recbench.results.record import Plan, RunRecord


def import_files(paths: Iterable[Path]) -> None:
    """Import the user's files that the command names."""
    from recbench.registry import import_file

    for path in paths:
        import_file(path)


def import_trusted(records: Iterable[RunRecord], trust: bool) -> None:
    """Import the user's files that runs were trained with if the user trusts them, or says so now at a terminal."""
    for record in records:
        _import(record.imports, record.key.sources, f"run {record.key.digest}", trust)


def import_trusted_plan(plan: Plan, trust: bool) -> None:
    """Do so with the files of the last `train`."""
    from recbench.own_files import counted_paths

    sources = {name: digest for key in plan.keys for name, digest in key.sources.items()}
    _import(counted_paths(plan.imports, sources), sources, "the last `train`", trust)


def _import(files: Sequence[str], sources: Mapping[str, str], owner: str, trust: bool) -> None:
    from recbench.registry import import_recorded, missing_imports

    missing = missing_imports(files, sources)
    if missing and (trust or confirm_code(missing, owner)):
        import_recorded(files, sources)


def confirm_code(files: Iterable[Path], owner: str) -> bool:
    """Ask at a terminal whether the code that a run or a pack brings may be run; elsewhere the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    listed = ", ".join(repr(str(path)) for path in files)
    return typer.confirm(f"{owner} needs the code of {listed}. Run this code?", err=True)
