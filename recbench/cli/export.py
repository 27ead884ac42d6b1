"""The command `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recbench.cli.app import RESULTS, command, one_run, print_text, store
from recbench.cli.options import Imports, Run, Trust
from recbench.cli.own_code import import_files, import_trusted


@command(
    RESULTS,
    "recbench export 0bc13ddb",
    "recbench export 0bc13ddb -o vectors",
)
def export(
    run: Run = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="A new folder; default: recbench-RUN.")
    ] = None,
    imports: Imports = [],
    trust: Trust = False,
) -> None:
    """Write a run's vectors with the raw ids as Parquet, a faiss index, and a README that says how to query it."""
    from recbench.run.export import export_run

    import_files(imports)
    results = store()
    record = one_run(run, results)
    import_trusted([record], trust)
    folder = output or Path(f"recbench-{record.key.digest}")
    export_run(record, results, folder)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
    print_text(f"{folder}: {record.key.title}, {size:.1f} MiB; {folder / 'README.md'} says how to query it")
