"""The command `check`."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from recbench.cli.app import DATA, command, print_json, stderr, stdout
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
    """Look for leaks of the test rows into the rest; exit code 1 if there is one."""
    from recbench.data.dataset import find_prepared
    from recbench.prepare.leak_certificate import broken, check_folder, findings_table

    folder = find_prepared(dataset)
    findings = check_folder(folder)
    if as_json:
        print_json(msgspec.to_builtins(findings))
    else:
        stderr().print(f"{folder.parent.name}/{folder.name}", highlight=False)
        stdout().print(findings_table(findings))
    if broken(findings):
        raise typer.Exit(1)
