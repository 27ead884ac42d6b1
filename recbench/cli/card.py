"""The command `card`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from recbench.cli.app import TRAINING, command, print_json, stderr, stdout, store
from recbench.cli.options import Candidates, Device, Imports, Json, Runs, Trust, whole_option
from recbench.cli.own_code import import_files, import_trusted


@command(
    TRAINING,
    "recbench card",
    "recbench card --k 20 --run 0bc13ddb --run 3f2a",
)
def card(
    run: Runs = [],
    k: Annotated[int, whole_option("--k", "Cut-off of recall.", 1, 10**6)] = 50,
    candidates: Candidates = "catalogue",
    device: Device = "auto",
    imports: Imports = [],
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Show what a method does for every kind of feedback: ranking, order of the levels, each index on each feedback."""
    from recbench.run.eval_command import EvalRequest, chosen_records, evaluate_all
    from recbench.study import card as report

    import_files(imports)
    records = chosen_records(run, store(), stderr())
    import_trusted(records, trust)
    evaluated = []
    for record in records:
        request = EvalRequest(metrics=tuple(report.metrics(record.key.feedback, k)), candidates=candidates)
        evaluated += evaluate_all([record], request, store(), stderr(), device)
    cards = report.cards(evaluated)
    if as_json:
        print_json([asdict(card) for card in cards])
    else:
        stdout().print(report.rendered(cards, k))
