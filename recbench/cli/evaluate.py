"""The commands `eval` and `rescore`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from recbench import torchrun
from recbench.cli import options
from recbench.cli.app import TRAINING, command, invocation, print_evaluations, stderr, store
from recbench.cli.own_code import import_files, import_trusted
from recbench.terminal import TerminalConsole

if TYPE_CHECKING:
    from recbench.run.eval_command import EvalRequest
    from recbench.run.evaluate import EvaluatedRun


@command(
    TRAINING,
    "recbench eval --metric recall@50",
    "recbench eval --metric auc --metric 'gauc(mean)' --metric ndcg@20/buy",
    "recbench eval --run all",
    "recbench eval --dataset ml-1m --run best",
    "recbench eval --index hnsw",
    "recbench eval --index mixture:clusters=100,queries=5",
    "recbench eval --dialect lenskit --metric ndcg@20",
    name="eval",
)
def evaluate(
    metric: options.Metrics = [],
    run: options.Runs = [],
    dataset: options.DatasetOfRuns = None,
    candidates: options.Candidates = "catalogue",
    index: Annotated[
        str,
        typer.Option(
            metavar="flat|hnsw|ivf|mixture[:KEY=VALUE,…]",
            help="Exact search, what an approximate one costs, or several queries a user (kNN-Embed).",
        ),
    ] = "flat",
    keep_seen: options.KeepSeen = False,
    dialect: options.Dialect = None,
    device: options.Device = "auto",
    imports: options.Imports = [],
    trust: options.Trust = False,
    no_baselines: Annotated[
        bool, typer.Option("--no-baselines", help="Do not add rows of baselines to the leaderboard.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Open the test rows, compute metrics and keep them with the run."""
    from recbench.run.baselines_beside import add_baseline_rows
    from recbench.run.eval_command import EvalRequest
    from recbench.training.ranks import leave

    import_files(imports)
    request = EvalRequest(
        metrics=tuple(metric),
        candidates=candidates,
        index=index,
        keep_seen=keep_seen,
        dialect=dialect,
        imports=tuple(imports),
    )
    evaluated = _evaluate(run, dataset, request, device, trust)
    leave()
    if torchrun.is_first():
        print_evaluations(evaluated, as_json)
        if index == "flat" and not no_baselines:
            add_baseline_rows(evaluated, request, invocation())


@command(
    TRAINING,
    "recbench rescore --metric ndcg@10",
    "recbench rescore --run 0bc13ddb --metric logloss",
)
def rescore(
    metric: options.Metrics = [],
    run: options.Runs = [],
    dataset: options.DatasetOfRuns = None,
    candidates: options.Candidates = "catalogue",
    keep_seen: options.KeepSeen = False,
    dialect: options.Dialect = None,
    imports: options.Imports = [],
    trust: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Compute other metrics from the scores that `eval` kept, without the model or its weights."""
    from recbench.run.eval_command import EvalRequest

    import_files(imports)
    request = EvalRequest(
        metrics=tuple(metric), candidates=candidates, keep_seen=keep_seen, dialect=dialect, rescore=True
    )
    evaluated = _evaluate(run, dataset, request, "cpu", trust)
    print_evaluations(evaluated, as_json)


def _evaluate(
    runs: list[str], dataset: str | None, request: EvalRequest, device: str, trust: bool
) -> list[EvaluatedRun]:
    from recbench.run.eval_command import chosen_records, evaluate_all

    request.parsed()  # so that a metric that does not exist is refused first
    console = stderr() if torchrun.is_first() else TerminalConsole(quiet=True)
    records = chosen_records(runs, store(), console, dataset)
    import_trusted(records, trust)
    return evaluate_all(records, request, store(), console, device)
