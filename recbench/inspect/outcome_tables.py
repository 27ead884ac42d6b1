"""Tables and JSON of what the commands found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.evaluation.evaluate import Value
from recbench.inspect.nested_table import in_words
from recbench.run.evaluate import EvaluatedRun


def outcomes_json(outcomes: Iterable[EvaluatedRun]) -> list[dict[str, object]]:
    """Return one object per number: dataset, split, loss, backbone, seed, metric, feedback, value, signature, run."""
    return [
        {
            "dataset": outcome.record.key.dataset,
            "split": outcome.record.key.split,
            "loss": outcome.record.key.loss,
            "backbone": outcome.record.key.backbone,
            "seed": outcome.record.key.seed,
            "metric": value.metric,
            "feedback": value.feedback,
            "value": _number(value.value),
            "bound": _bound_of(value, outcome.bound),
            "counted": value.count,
            "signature": value.signature,
            "run": outcome.record.key.digest,
        }
        for outcome in outcomes
        for value in outcome.values
    ]


def outcomes_table(outcomes: Sequence[EvaluatedRun]) -> RenderableType:
    """Return one table per run, and each signature once."""
    parts: list[RenderableType] = []
    for outcome in outcomes:
        key = outcome.record.key
        table = Table(box=box.SIMPLE_HEAD)
        for column in ("metric", "feedback"):
            table.add_column(column)
        table.add_column("value", justify="right")
        bound = [_bound_of(value, outcome.bound) for value in outcome.values]
        bounded = any(best is not None for best in bound)
        if bounded:
            table.add_column("truth", justify="right")
        table.add_column("counted", justify="right")
        for value, best in zip(outcome.values, bound, strict=True):
            cells = [value.metric, value.feedback, _figure(value.value)]
            if bounded:
                cells.append("" if best is None else _figure(best))
            table.add_row(*cells, f"{value.count:,} {value.unit}")
        parts += [Text(f"{key.title} ({key.digest})", style="bold"), table, *_costs(outcome.values)]
    signatures = dict.fromkeys(value.signature for outcome in outcomes for value in outcome.values)
    parts += [Text(signature, style="dim") for signature in signatures]
    if any(outcome.bound for outcome in outcomes):
        parts.append(Text("truth: what the true probabilities reach, the best attainable", style="dim"))
    return Group(*parts)


def items_table(items: Sequence[Mapping[str, object]]) -> RenderableType:
    """Return one block per item: its name, what it is, then its other fields."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for item in items:
        fields = dict(item)
        name = fields.pop("name")
        lead = fields.pop("about", None) or fields.pop("title", "")
        others = [f"{field}: {in_words(value)}" for field, value in fields.items() if value not in ("", [], {})]
        table.add_row(str(name), str(lead))
        for line in others:
            table.add_row("", Text(line, style="dim"))
    return table


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
