"""The command `doctor`."""

from __future__ import annotations

from recbench.cli.app import DATA, command, print_json, stdout
from recbench.cli.options import Json


@command(
    DATA,
    "recbench doctor",
    "recbench doctor --json",
)
def doctor(as_json: Json = False) -> None:
    """Show versions, devices, threads, folders and what is prepared."""
    from recbench.inspect.doctor import examine
    from recbench.inspect.nested_table import report_table

    report = examine()
    if as_json:
        print_json(report)
    else:
        stdout().print(report_table(report))
