"""Tables and JSON of what runs were evaluated to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from recbench.evaluation.evaluate import Value
from recbench.results.number_table import NumberTable
from recbench.run.evaluate import EvaluatedRun


def evaluations_json(runs: Iterable[EvaluatedRun]) -> list[dict[str, object]]:
    """Return one object per number: dataset, split, loss, backbone, seed, metric, feedback, value, signature, run."""
    return [
        {
            "dataset": run.record.key.dataset,
            "split": run.record.key.split,
            "loss": run.record.key.loss,
            "backbone": run.record.key.backbone,
            "seed": run.record.key.seed,
            "metric": value.metric,
            "feedback": value.feedback,
            "value": _number(value.value),
            "bound": _bound_of(value, run.bound),
            "counted": value.count,
            "signature": value.signature,
            "run": run.record.key.digest,
        }
        for run in runs
        for value in run.values
    ]


def evaluations_table(runs: Sequence[EvaluatedRun]) -> RenderableType:
    """Return one table per run, and each signature once."""
    parts: list[RenderableType] = []
    for run in runs:
        key = run.record.key
        table = NumberTable(show_edge=True)
        for column in ("metric", "feedback"):
            table.add_column(column)
        table.add_column("value", justify="right")
        bounds = [_bound_of(value, run.bound) for value in run.values]
        bounded = any(bound is not None for bound in bounds)
        if bounded:
            table.add_column("best attainable", justify="right")
        table.add_column("counted", justify="right")
        for value, bound in zip(run.values, bounds, strict=True):
            cells = [value.metric, value.feedback, _figure(value.value)]
            if bounded:
                cells.append("" if bound is None else _figure(bound))
            table.add_row(*cells, f"{value.count:,} {value.unit}")
        parts += [Text(f"{key.title} ({key.digest})", style="bold"), table, *_costs(run.values)]
    signatures = dict.fromkeys(value.signature for run in runs for value in run.values)
    parts += [Text(signature, style="dim") for signature in signatures]
    if any(run.bound for run in runs):
        parts.append(Text("best attainable: the value that the true probabilities reach", style="dim"))
    return Group(*parts)


def _costs(values: Iterable[Value]) -> list[RenderableType]:
    """Return a line per approximate search: what it misses and what it saves."""
    costs = {value.feedback: value.cost for value in values if value.cost is not None}
    return [
        Text(
            f"{feedback}: finds {cost.recall:.1%} of the exact top; search {cost.seconds:.3f} s, "
            f"exact {cost.flat_seconds:.3f} s, index built in {cost.build_seconds:.3f} s"
        )
        for feedback, cost in costs.items()
    ]


def _bound_of(value: Value, bounds: Iterable[Value]) -> float | None:
    wanted = (value.metric, value.feedback, value.signature)
    for bound in bounds:
        if (bound.metric, bound.feedback, bound.signature) == wanted:
            return _number(bound.value)
    return None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"
