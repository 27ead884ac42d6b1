"""Train and test some methods over seeds, through the same code as the commands, and print mean ± sd."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass

from rich.console import Console

from recbench.evaluation.request import parse
from recbench.home import results_home
from recbench.results.leaderboard import write_markdown
from recbench.results.store import Store
from recbench.run.evaluate import evaluate_run
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest, train_all


@dataclass(frozen=True)
class Method:
    """One line of a table."""

    label: str
    loss: str
    settings: tuple[str, ...] = ()
    feedback: tuple[str, ...] = ()
    published: str = ""


def compare(
    dataset: str,
    methods: list[Method],
    metrics: list[str],
    seeds: int,
    shared: tuple[str, ...],
    backbone: str = "twintower",
) -> None:
    """Run what has no record yet (under `./results`), then print one line per method and one column per metric."""
    console, store = Console(stderr=True), Store(results_home())
    requests = [parse(word) for word in metrics]
    columns: dict[str, None] = {}
    lines: list[tuple[Method, dict[str, list[float]]]] = []
    invocation = Invocation(store, console, "python -m benchmarks")
    for method in methods:
        order = TrainRequest(
            loss=method.loss,
            backbone=backbone,
            dataset=dataset,
            feedback=method.feedback,
            seeds=tuple(range(seeds)),
            settings=shared + method.settings,
            imports=(),
        )
        values: dict[str, list[float]] = defaultdict(list)
        for record in train_all(order, invocation, "auto"):
            outcome = evaluate_run(record, store, requests)
            for value in outcome.values:
                values[f"{value.metric}/{value.feedback}"].append(value.value)
            for value in outcome.bound:
                values[f"truth {value.metric}/{value.feedback}"] = [value.value]
        columns.update(dict.fromkeys(name for name in values if not name.startswith("truth")))
        lines.append((method, values))
    write_markdown(store)

    width = max(len(method.label) for method in methods) + 2
    print(f"{dataset}, {backbone}, {seeds} seeds, {' '.join(shared)}")
    print(" " * width + "".join(f"{name:>20}" for name in columns) + "  published")
    for method, values in lines:
        cells = "".join(f"{_spread(values.get(name, [])):>20}" for name in columns)
        print(f"{method.label:{width}}{cells}  {method.published}")
    truth = {name: values[f"truth {name}"] for _, values in lines for name in columns if f"truth {name}" in values}
    if truth:
        print(f"{'truth':{width}}" + "".join(f"{_spread(truth.get(name, [])):>20}" for name in columns))


def _spread(values: list[float]) -> str:
    if not values:
        return "-"
    mean = statistics.fmean(values)
    return f"{mean:.4f}" if len(values) == 1 else f"{mean:.4f} ± {statistics.stdev(values):.4f}"
