"""Published tables beside what is measured for them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

import polars as pl

from recbench.api.arguments import console_of, data_name, grid_words, names_of, options, own_store
from recbench.api.prepared import PreparedData
from recbench.api.public import public
from recbench.api.table import Table
from recbench.results.published import joined
from recbench.results.published.row import rows_as_json, rows_table
from recbench.run.invocation import Invocation
from recbench.settings import Value, typed_words
from recbench.study import reproduce as reproduction
from recbench.study.launchers.base import LaunchOptions

NUMBER = {
    **dict.fromkeys(("table", "data", "dataset", "method", "loss", "backbone"), pl.String()),
    **dict.fromkeys(("metric", "feedback", "printed"), pl.String()),
    **dict.fromkeys(("reported", "mean", "sd", "difference"), pl.Float64()),
    "seeds": pl.Int64(),
    "verdict": pl.String(),
    **dict.fromkeys(("reasons", "settings", "runs"), pl.List(pl.String())),
}


class Reproduction(Table):
    """One row per published number: the mean measured over seeds, how far that is from print, and the verdict."""


@public
def reproduce(
    table: str,
    *,
    dataset: str | None = None,
    data: PreparedData | str | None = None,
    method: str | Sequence[str] = (),
    backbone: str | Sequence[str] = (),
    seeds: int = 3,
    settings: Mapping[str, Value] | None = None,
    fair: bool = False,
    trials: int | None = None,
    grid: Mapping[str, Value | Sequence[Value]] | None = None,
    jobs: int | None = None,
    lanes: int | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> Reproduction:
    """Run what a published table needs, beside what was printed; finished runs are kept; `recbench reproduce`.

    `table` is as in `recbench papers`, "gnolr/table2", or several of one paper, "gnolr/table2+11"; `dataset` one of its
    datasets, by default the first; `data` what to run on instead of the paper's split. `method` and `backbone` choose
    rows of it, methods as the paper calls them. `fair`, `trials` and `grid` are those of `train`.
    Raises UsageError for what the table lacks and for data that are not prepared.

        rb.reproduce("gnolr/table2", dataset="ml-1m", method=["BCE", "GNOLR"], fair=True)
    """
    request = reproduction.ReproduceRequest(
        table=joined.find(table),
        dataset=dataset,
        data=data_name(data),
        methods=names_of(method),
        backbones=names_of(backbone),
        seeds=seeds,
        settings=tuple(typed_words(settings or {})),
        fair=fair,
        trials=trials,
        grid=grid_words(grid),
    )
    words = options(
        dataset=dataset,
        data=request.data,
        method=request.methods,
        backbone=request.backbones,
        seeds=seeds,
        set=request.settings,
        fair=fair,
        trials=trials,
        grid=request.grid,
        device=device,
    )
    command = shlex.join(["recbench", "reproduce", table, *words])
    launch = LaunchOptions(jobs=jobs, lanes=lanes, device=device)
    rows = reproduction.reproduce(request, Invocation(own_store(), console_of(quiet), command), launch)
    return Reproduction(pl.DataFrame(rows_as_json(rows), schema=NUMBER), rows_table(rows))
