"""The command `doctor`."""

from __future__ import annotations

from recbench.cli.app import DATA, command, print_json, stdout
from recbench.cli.options import Address, Json


@command(
    DATA,
    "recbench doctor",
    "recbench doctor --json",
    "recbench doctor --address auto",
)
def doctor(address: Address = None, as_json: Json = False) -> None:
    """Show versions, devices, threads, folders, extras, prepared data; with --address the nodes of a Ray cluster."""
    from recbench.inspect.doctor import examine, examine_cluster
    from recbench.inspect.nested_table import report_table

    nodes = {} if address is None else {"ray": examine_cluster(address)}
    report = examine() | nodes
    if as_json:
        print_json(report)
    else:
        stdout().print(report_table(report))
