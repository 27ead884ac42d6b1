"""The command `card`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from recbench.cli.app import TRAINING, command, print_json, stderr, stdout, store
from recbench.cli.options import Candidates, Device, Imports, Json, Runs, Trust, whole_option
from recbench.cli.own_code import import_files, import_trusted
from recbench.errors import UsageError
from recbench.terminal import print_text

Format = Literal["table", "markdown", "json"]


@command(
    TRAINING,
    "recbench card",
    "recbench card --k 20 --run 0bc13ddb --run 3f2a",
    "recbench card --loss ultragcn --format markdown",
)
def card(
    run: Runs = [],
    loss: Annotated[str | None, typer.Option(help="The passport of this loss instead: what is known of it.")] = None,
    k: Annotated[int, whole_option("--k", "Cut-off of recall.")] = 50,
    candidates: Candidates = "catalogue",
    device: Device = "auto",
    imports: Imports = [],
    trust: Trust = False,
    form: Annotated[Format, typer.Option("--format", help="How to print; markdown with --loss alone.")] = "table",
    as_json: Json = False,
) -> None:
    """Show what a method does for every kind of feedback: ranking, order of the levels, each index on each feedback.

    With --loss, all that is known of a loss: what it computes and its source, settings, backbones and samplers,
    published numbers with why they do not compare, what was measured, both side by side, how much its settings matter
    and what an epoch costs beside BPR, as far as records say so, and how to check it.
    """
    import_files(imports)
    form = "json" if as_json else form
    if loss is not None:
        if run:
            raise UsageError("--loss shows what is known of a loss, --run what runs do; give one of them")
        _passport(loss, form)
        return
    if form == "markdown":
        raise UsageError("--format markdown prints the passport of a loss; add --loss NAME, or print a table or json")
    from recbench.run.eval_command import EvalRequest, chosen_records, evaluate_all
    from recbench.study import card as report

    records = chosen_records(run, store(), stderr())
    import_trusted(records, trust)
    evaluated = []
    for record in records:
        request = EvalRequest(metrics=tuple(report.metrics(record.key.feedback, k)), candidates=candidates)
        evaluated += evaluate_all([record], request, store(), stderr(), device)
    cards = report.cards(evaluated)
    if form == "json":
        print_json([asdict(card) for card in cards])
    else:
        stdout().print(report.rendered(cards, k))


def _passport(loss: str, form: Format) -> None:
    from recbench.inspect.nested_table import report_table
    from recbench.inspect.passport import markdown, passport, report
    from recbench.results.leaderboard_rows import collect_rows
    from recbench.results.published.tables import tables

    results = store()
    runs = list(results.runs())
    rows = collect_rows(results) if any(evaluations for _, evaluations in runs) else []
    found = passport(loss, list(tables().values()), rows, {record.key.digest: record for record, _ in runs})
    if form == "json":
        print_json(asdict(found))
    elif form == "markdown":
        print_text(markdown(found), end="")
    else:
        stdout().print(report_table(report(found)))
