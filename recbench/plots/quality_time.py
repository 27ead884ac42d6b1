"""What a method reaches against how long it trains; after Figure 6 of TIL (CIKM 2022)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from recbench.plots.figure import COLOURS, figure, legend
from recbench.plots.measured import Measured, Run, labels, measured, missing
from recbench.plots.point_labels import label_points
from recbench.plots.series import SPREAD, Point, logarithmic, mean_of
from recbench.results.setting_choice import SettingChoice
from recbench.terminal import clean

WIDTH, HEIGHT = 7.0, 4.8  # of a panel, in inches
ACROSS = 2
LETTERS = 32  # of a line of a label
LINES = 2  # of a label
KINDS = {False: "trained", True: "baseline"}
LOOKS: dict[bool, dict[str, Any]] = {
    False: {"color": COLOURS[0], "marker": "o"},
    True: {"color": COLOURS[1], "marker": "s"},
}


@dataclass(frozen=True)
class MethodCost:
    """Runs that differ only in their seed."""

    label: str
    baseline: bool
    chosen: bool  # whether no other setting of the method is better on validation
    seconds: Point  # of training, validation left out
    value: Point


@dataclass(frozen=True)
class Cloud:
    """All methods on one kind of feedback."""

    title: str
    y: str  # "auc, test rows"
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
    choice = SettingChoice()
    for record in records:
        choice.add(record, evaluated=True)
    named = labels(record for record in records if choice.is_chosen(record))
    named = labels(records) | named  # the settings that tell the chosen apart are few
    groups = defaultdict(list)
    for record in records:
        groups[record.key.group].append(record)
    methods = [
        MethodCost(
            label=named[group],
            baseline=records[0].key.is_baseline,
            chosen=choice.is_chosen(records[0]),
            seconds=mean_of("", [record.seconds for record in records]),
            value=mean_of("", [of_feedback.values[record.key.digest] for record in records]),
        )
        for group, records in groups.items()
    ]
    return Cloud(of_feedback.title, of_feedback.axis, sorted(methods, key=lambda method: -method.value.mean))


def table(clouds: Sequence[Cloud], dataset: str) -> list[dict[str, Any]]:
    """Return a row per method and kind of feedback."""
    return [
        {
            "dataset": dataset,
            "feedback": cloud.title,
            "metric": cloud.y.rpartition(", ")[0],
            "rows": cloud.y.rpartition(", ")[2].removesuffix(" rows"),
            "method": method.label,
            "baseline": method.baseline,
            "chosen_on_validation": method.chosen,
            "training_seconds": method.seconds.mean,
            "training_seconds_sd": method.seconds.sd,
            "value": method.value.mean,
            "value_sd": method.value.sd,
            "seeds": method.value.seeds,
        }
        for cloud in clouds
        for method in cloud.methods
    ]


def draw(panels: Sequence[Cloud], on: Sequence[str], path: Path, title: str) -> None:
    """Write one marker per method with standard deviations both ways, and as many names as there is room for.

    A method stands with the setting that validation chose; its other settings are small and faint, without a name. The
    first to be named are methods that none is both better and faster than, then the others, best first.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    with figure(path, title, len(panels), across=ACROSS, width=WIDTH, height=HEIGHT) as (made, axes):
        for ax, cloud in zip(axes, panels, strict=True):
            for method in cloud.methods:
                x, y = method.seconds, method.value
                style = LOOKS[method.baseline] | {"linestyle": "none"}
                if method.chosen:
                    bars: dict[str, Any] = {"ecolor": "0.7", "elinewidth": 0.7, "capsize": 1.5, "zorder": 2}
                    ax.errorbar(x.mean, y.mean, y.sd or None, x.sd or None, markersize=5, **style, **bars)
                else:
                    ax.plot(x.mean, y.mean, markersize=2.5, alpha=0.35, zorder=1.5, **style)
            seconds = [method.seconds.mean for method in cloud.methods]
            if logarithmic(seconds):
                ax.set_xscale("log")
                ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(seconds) < 100 * min(seconds) else (1,)))
                ax.xaxis.set_major_formatter("{x:g}")
                ax.xaxis.set_minor_formatter(NullFormatter())
            ax.margins(0.12)
            ax.set(title=cloud.title, xlabel=f"training time (s), {', '.join(on)}", ylabel=cloud.y)
        kinds = [
            baseline for baseline in (False, True) if any(m.baseline == baseline for c in panels for m in c.methods)
        ]
        handles = [axes[0].plot([], [], linestyle="none", **LOOKS[baseline])[0] for baseline in kinds]
        faint = any(not method.chosen for cloud in panels for method in cloud.methods)
        heading = f"{SPREAD}; faint: settings that validation did not choose" if faint else SPREAD
        legend(made, handles, [KINDS[baseline] for baseline in kinds], heading)
        made.draw_without_rendering()  # the layout is settled only now
        made.set_layout_engine("none")
        for ax, cloud in zip(axes, panels, strict=True):
            named = [method for method in cloud.methods if method.chosen]
            named.sort(key=lambda method: not _is_on_front(method, cloud.methods))
            points, others = (
                [(method.seconds.mean, method.value.mean) for method in methods]
                for methods in (named, [method for method in cloud.methods if not method.chosen])
            )
            if left := label_points(ax, points, [_short(method.label) for method in named], others):
                ax.set_title(f"{cloud.title} ({left} without a name, for want of room; --format csv has all)")


def _short(label: str) -> str:
    """Return a label on a few lines, without what the marker says."""
    lines = wrap(label.replace(" (baseline)", ""), LETTERS, max_lines=LINES, placeholder=" …")
    return clean("\n".join(lines))


def _is_on_front(method: MethodCost, others: Sequence[MethodCost]) -> bool:
    """Whether no other method is both faster and better."""
    return not any(
        other.seconds.mean < method.seconds.mean and other.value.mean > method.value.mean for other in others
    )
