"""The command about reference recommenders: baselines."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from recbench.cli.app import Json, app, names, print_json, stderr, stdout, store
from recbench.cli.runs import Dialect, KeepSeen, Ranked


@app.command(
    epilog="Examples: `recbench baselines`, `recbench baselines --dataset ml-1m --metric recall@50 --metric auc`, "
    "`recbench baselines --only ials --seeds 3 --set ials.factors=128 --set ials.alpha=5`."
)
def baselines(
    dataset: Annotated[
        str | None, typer.Option(help="DATASET or DATASET/SPLIT; default: the most recently prepared.")
    ] = None,
    feedback: Annotated[str | None, typer.Option(help="Feedback types, joined by commas; default: all.")] = None,
    metric: Annotated[list[str], typer.Option("--metric", help="As for `eval`.")] = [],  # noqa: B006
    only: Annotated[
        str | None, typer.Option(help="Names from `recbench list baselines`, joined by commas; default: all.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed, or the first of --seeds.", min=0, max=2**62)] = 0,
    seeds: Annotated[int, typer.Option(help="Number of seeds, of baselines that depend on one.", min=1)] = 1,
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="NAME.KEY=VALUE", help="As in item-knn.k=50, train.refit=true."),
    ] = [],  # noqa: B006
    candidates: Ranked = "catalogue",
    keep_seen: KeepSeen = False,
    dialect: Dialect = None,
    as_json: Json = False,
) -> None:
    """Fit and evaluate popularity, item-kNN and iALS, which stand on the board beside the trained methods."""
    from recbench.inspect.outcome_tables import outcomes_json, outcomes_table
    from recbench.run.baselines import BaselineRequest, Terms, run_all

    order = BaselineRequest(
        dataset=dataset,
        feedback=names(feedback),
        only=names(only),
        seeds=tuple(range(seed, seed + seeds)),
        settings=tuple(settings),
    )
    terms = Terms(tuple(metric), candidates, keep_seen, dialect)
    outcomes = run_all(order, terms, store(), stderr(), shlex.join(["recbench", *sys.argv[1:]]))
    if as_json:
        print_json(outcomes_json(outcomes))
    else:
        stdout().print(outcomes_table(outcomes))
