"""What a method reaches against how long it trains; after Figure 6 of TIL (CIKM 2022)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recbench.plots.figure import figure, legend, look
from recbench.plots.measured import Measured, Run, labels, measured, missing
from recbench.plots.series import SPREAD, Point, logarithmic, mean_of


@dataclass(frozen=True)
class MethodCost:
    """Runs that differ only in their seed."""

    label: str
    seconds: Point  # of training, validation left out
    value: Point


@dataclass(frozen=True)
class Cloud:
    """All methods on one kind of feedback."""

    title: str
    y: str
    methods: list[MethodCost]


def clouds(runs: Sequence[Run], metric: str) -> list[Cloud]:
    """Return the mean and sd over seeds of `metric` and of seconds of training, for all methods by feedback.

    On test rows, or on validation rows if no run was evaluated by `metric`; raises UsageError if there are neither.
    """
    of_feedback = measured(runs, metric, "test") or measured(runs, metric, "valid")
    if not of_feedback:
        raise missing(metric)
    return [_cloud(runs, values) for values in of_feedback]


def devices(runs: Sequence[Run]) -> list[str]:
    """Return what the runs were trained on; seconds on different devices do not compare."""
    return sorted({record.device_name for record, _ in runs})


def _cloud(runs: Sequence[Run], of_feedback: Measured) -> Cloud:
    records = [record for record, _ in runs if record.key.digest in of_feedback.values]
    named = labels(records)
    groups = defaultdict(list)
    for record in records:
        groups[record.key.group].append(record)
    methods = [
        MethodCost(
            label=named[group],
            seconds=mean_of("", [record.seconds for record in records]),
            value=mean_of("", [of_feedback.values[record.key.digest] for record in records]),
        )
        for group, records in groups.items()
    ]
    return Cloud(of_feedback.title, of_feedback.axis, sorted(methods, key=lambda method: -method.value.mean))


def draw(panels: Sequence[Cloud], on: Sequence[str], path: Path, title: str) -> None:
    """Write one marker per method, with standard deviations both ways."""
    from matplotlib.ticker import LogLocator, NullFormatter

    names = list(dict.fromkeys(method.label for cloud in panels for method in cloud.methods))
    with figure(path, title, len(panels)) as (made, axes):
        handles = {}
        for ax, cloud in zip(axes, panels, strict=True):
            for method in cloud.methods:
                style = look(names.index(method.label)) | {"linestyle": "none", "markersize": 6}
                x, y = method.seconds, method.value
                bars = ax.errorbar(x.mean, y.mean, y.sd or None, x.sd or None, elinewidth=0.9, **style)
                handles[method.label] = bars
            seconds = [method.seconds.mean for method in cloud.methods]
            if logarithmic(seconds):
                ax.set_xscale("log")
                ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(seconds) < 100 * min(seconds) else (1,)))
                ax.xaxis.set_major_formatter("{x:g}")
                ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set(title=cloud.title, xlabel=f"training time (s), {', '.join(on)}", ylabel=cloud.y)
        legend(made, list(handles.values()), list(handles), SPREAD)
