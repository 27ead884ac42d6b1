"""The command `check`."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from recbench.cli.app import DATA, command, print_json, stderr, stdout, store
from recbench.cli.options import Json


@command(
    DATA,
    "recbench check ml-1m",
    "recbench check kuairand-pure/global+gnolr --json",
)
def check(
    dataset: Annotated[
        str | None, typer.Argument(help="DATASET or DATASET/SPLIT; default: the most recently prepared.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look for leaks of the test rows into the rest, and for damaged files of the dataset and of all results.

    Exit code 1 if there is a leak or damage.
    """
    from recbench.data.manifest import Finding
    from recbench.data.prepared_datasets import find_prepared, how_found
    from recbench.inspect.damage import damaged_files
    from recbench.preparation.leak_certificate import broken, check_folder, findings_table

    folder = find_prepared(dataset)
    results = store()
    damaged = damaged_files(results)
    message = f"{len(damaged)} damaged files in {results.root}" if damaged else "no damaged files"
    findings = [
        *check_folder(folder),
        Finding("results", "broken" if damaged else "ok", message, {"damaged": len(damaged)}),
    ]
    if as_json:
        print_json(msgspec.to_builtins(findings))
    else:
        stderr().print(how_found(dataset, folder), highlight=False)
        stdout().print(findings_table(findings))
    for line in damaged:
        stderr().print(line, soft_wrap=True)
    if broken(findings):
        raise typer.Exit(1)
