"""The command `compare`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from recbench.cli.app import RESULTS, command, print_json, print_warnings, stderr, stdout, store
from recbench.cli.options import RUN_WORDS, DatasetOfRuns, Json, each_name, each_run


@command(
    RESULTS,
    "recbench compare gnolr bce",
    "recbench compare gnolr/twintower 0bc13ddb 3f2a --metric auc --metric recall@50/buy",
)
def compare(
    method: Annotated[list[str], typer.Argument(metavar="RUN...", help=f"{RUN_WORDS} or a tag.", callback=each_run)],
    metric: Annotated[
        list[str],
        typer.Option("--metric", help="Default: all that the runs have in common.", callback=each_name),
    ] = [],
    dataset: DatasetOfRuns = None,
    as_json: Json = False,
) -> None:
    """Say whether methods differ: paired bootstrap over test users and seeds, 95 % intervals, Holm's correction."""
    from recbench.study import compare as comparing

    results = store()
    comparisons = comparing.compare_methods(comparing.methods(method, results, dataset), metric, results)
    print_warnings(results)
    for note in results.notes:
        stderr().print(note, style="dim", soft_wrap=True)
    if as_json:
        print_json([asdict(comparison) for comparison in comparisons])
    else:
        stdout().print(comparing.table(comparisons))
