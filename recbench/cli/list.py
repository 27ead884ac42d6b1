"""The command `list`."""

from __future__ import annotations

from typing import Annotated

import typer

from recbench.cli.app import DATA, command, print_json, stdout
from recbench.cli.options import Catalog, Imports, Json
from recbench.cli.own_code import import_files


@command(
    DATA,
    "recbench list losses",
    "recbench list datasets --catalog my.toml",
    "recbench list metrics --json",
    name="list",
)
def list_names(
    kind: Annotated[
        str, typer.Argument(help="datasets, losses, samplers, strategies, backbones, baselines or metrics")
    ],
    catalog: Catalog = None,
    imports: Imports = [],
    as_json: Json = False,
) -> None:
    """List datasets, losses, samplers, strategies, backbones, baselines or metrics, and what can be combined."""
    from recbench.inspect.listing import listing
    from recbench.inspect.nested_table import items_table

    import_files(imports)
    items = listing(kind, catalog)
    if as_json:
        print_json(items)
    else:
        stdout().print(items_table(items))
