"""Recall at several cut-offs; after Figures 3 and 4 of CROLoss (CIKM 2022, https://arxiv.org/abs/2208.02971)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console

from recbench.evaluation.request import parse
from recbench.plots.measured import labels
from recbench.plots.series import Panel, Series, mean_of
from recbench.results.record import MetricValue, RunKey, RunRecord
from recbench.results.store import Store
from recbench.run.eval_command import EvalRequest, evaluate_all


def panels(records: Sequence[RunRecord], cutoffs: Sequence[str], store: Store, console: Console) -> list[Panel]:
    """Return a panel per feedback with a line per method: mean and sd over seeds of recall@N by N.

    Exact search of the catalogue less what is known of the user. What has not been evaluated is now, and kept. Raises
    UsageError for a cut-off that is not a number.
    """
    wanted = [str(parse(f"recall@{word.strip()}")) for word in cutoffs]
    by_run = {record.key.digest: _complete(record, wanted, store, console) for record in records}
    named = labels(records)
    lines: dict[str, list[Series]] = defaultdict(list)
    for feedback in dict.fromkeys(value.feedback for record in records for value in by_run[record.key.digest]):
        for group, label in named.items():
            of_group = [value for r in records if r.key.group == group for value in by_run[r.key.digest]]
            values: dict[int, list[float]] = defaultdict(list)
            for value in of_group:
                if value.feedback == feedback and value.value is not None:
                    values[int(value.metric.partition("@")[2])].append(value.value)
            if values:
                lines[feedback].append(Series(label, [mean_of(k, values[k]) for k in sorted(values)]))
    return [Panel(feedback, "N, items retrieved", "recall@N, test rows", lines[feedback]) for feedback in lines]


def _complete(record: RunRecord, wanted: Sequence[str], store: Store, console: Console) -> list[MetricValue]:
    """Return a run's recall at all cut-offs on the feedback it was trained on."""
    recorded = _recorded(record.key, wanted, store)
    lacking = [name for name in wanted if any((name, feedback) not in recorded for feedback in record.key.feedback)]
    if lacking:
        evaluate_all([record], EvalRequest(metrics=tuple(lacking)), store, console, "cpu")
        recorded = _recorded(record.key, wanted, store)
    return [recorded[name, feedback] for feedback in record.key.feedback for name in wanted]


def _recorded(key: RunKey, wanted: Sequence[str], store: Store) -> dict[tuple[str, str], MetricValue]:
    """Return what the run's evaluations by this protocol say, the last one of each metric and feedback."""
    recorded: dict[tuple[str, str], MetricValue] = {}
    for evaluation in store.evaluations(key):
        options = evaluation.options
        words = options.get("candidates"), options.get("index"), options.get("seen", "removed")
        if words == ("catalogue", "flat", "removed"):
            recorded |= {(value.metric, value.feedback): value for value in evaluation.values if value.metric in wanted}
    return recorded
