"""Lines of means over seeds, in one panel per kind of feedback."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbench.plots.figure import figure, legend, look
from recbench.settings import Value
from recbench.terminal import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPREAD = "mean ± sd over seeds"
RATIO = 8  # largest over smallest, from which on an axis is logarithmic
TICKS = 8
ASIDE = 0.1  # between markers of one value in words


@dataclass(frozen=True)
class Point:
    """A mean over seeds."""

    x: Value
    mean: float
    sd: float | None  # of the sample; None for one seed
    seeds: int


@dataclass(frozen=True)
class Series:
    """What one method reaches: a line of the picture."""

    label: str
    points: list[Point]


@dataclass(frozen=True)
class Panel:
    """What all methods reach on one kind of feedback."""

    title: str
    x: str  # label of the axis, with the unit
    y: str
    lines: list[Series]
    order: tuple[Value, ...] = ()  # of the values of x that are words; default: as they come


def mean_of(x: Value, values: Sequence[float]) -> Point:
    """Return the point at `x` of at least one value."""
    mean = statistics.fmean(values)
    return Point(x, mean, statistics.stdev(values, mean) if len(values) > 1 else None, len(values))


def numeric(values: Sequence[Value]) -> bool:
    """Whether all values are numbers, so that their distances mean something."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def logarithmic(values: Sequence[float]) -> bool:
    """Whether positive values are so far apart that a logarithmic axis shows them better."""
    return min(values) > 0 and max(values) >= RATIO * min(values)


def table(panels: Sequence[Panel], dataset: str) -> list[dict[str, Any]]:
    """Return a row per point, with what it belongs to."""
    return [
        {
            "dataset": dataset,
            "feedback": panel.title,
            "metric": panel.y,
            "method": line.label,
            "x_axis": panel.x,
            "x": point.x,
            "mean": point.mean,
            "sd": point.sd,
            "seeds": point.seeds,
        }
        for panel in panels
        for line in panel.lines
        for point in line.points
    ]


def draw(panels: Sequence[Panel], path: Path, title: str) -> None:
    """Write the panels with standard deviations as bars.

    x is an axis of numbers where all are numbers, else one place per value, whose markers stand side by side.
    """
    labels = list(dict.fromkeys(line.label for panel in panels for line in panel.lines))
    with figure(path, title, len(panels)) as (made, axes):
        handles = {}
        for ax, panel in zip(axes, panels, strict=True):
            values = panel.order or list(dict.fromkeys(point.x for line in panel.lines for point in line.points))
            places = _scale(ax, values)
            for line in panel.lines:
                number = labels.index(line.label)
                apart, style = 0.0, look(number)
                if not numeric(values):
                    apart, style = ASIDE * (number - (len(labels) - 1) / 2), style | {"linestyle": "none"}
                at = [places[point.x] + apart for point in line.points]
                sd = [point.sd or 0.0 for point in line.points]
                mean = [point.mean for point in line.points]
                handles[line.label] = ax.errorbar(at, mean, sd if any(sd) else None, elinewidth=0.9, **style)
            ax.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
        spread = any(point.sd is not None for panel in panels for line in panel.lines for point in line.points)
        legend(made, list(handles.values()), list(handles), SPREAD if spread else "")


def _scale(ax: Axes, values: Sequence[Value]) -> Mapping[Value, float]:
    """Set the x axis for these values and return where each stands."""
    if not numeric(values):
        ax.set_xticks(range(len(values)), [clean(str(value)).replace("$", r"\$") for value in values])
        ax.margins(x=0.1)
        return {value: place for place, value in enumerate(values)}
    places = {value: float(value) for value in values}
    if logarithmic(list(places.values())):
        ax.set_xscale("log")
        ax.minorticks_off()
    if len(values) <= TICKS:
        ax.set_xticks(sorted(places.values()), [f"{value:g}" for value in sorted(places.values())])
    return places
