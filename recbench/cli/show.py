"""The command `show`."""

from __future__ import annotations

from recbench.cli.app import RESULTS, command, print_json, print_warnings, stdout, store
from recbench.cli.options import Json, Run


@command(
    RESULTS,
    "recbench show",
    "recbench show 0bc13ddb --json",
)
def show(run: Run = None, as_json: Json = False) -> None:
    """Show where a run's numbers come from: settings, data, code, machine, cost, and every number with its meaning."""
    from recbench.inspect.nested_table import report_table
    from recbench.inspect.run_report import run_report
    from recbench.results.json_structs import encode

    results = store()
    record = results.find(run) if run else results.latest()
    evaluations = results.evaluations(record.key)
    print_warnings(results)
    if as_json:
        print_json({"record": encode(record), "evaluations": [encode(evaluation) for evaluation in evaluations]})
    else:
        stdout().print(report_table(run_report(record, evaluations)))
