"""The validation metric of chosen runs after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbench.errors import UsageError
from recbench.plots.figure import figure, legend, look
from recbench.plots.measured import labels
from recbench.plots.series import SPREAD, mean_of
from recbench.results.record import RunRecord


@dataclass(frozen=True)
class Curve:
    """One run."""

    label: str  # the same for runs that differ only in their seed
    run: str
    epochs: list[int]  # from 1
    values: list[float]
    best: int  # epoch whose weights are kept


def curves(records: Sequence[RunRecord]) -> list[Curve]:
    """Return the curve of each run; raises UsageError if they were selected by different metrics."""
    select = sorted({record.select for record in records})
    if len(select) > 1:
        raise UsageError(f"these runs chose their epochs by {' and '.join(select)}; show those of one metric at a time")
    named = labels(records)
    return [
        Curve(
            label=named[record.key.group],
            run=record.key.digest,
            epochs=[epoch["epoch"] for epoch in record.curve],
            values=[epoch["metric"] for epoch in record.curve],
            best=record.best_epoch,
        )
        for record in records
    ]


@dataclass(frozen=True)
class SeedBand:
    """The runs of one method together, over the epochs that all of them were validated at."""

    epochs: list[int]
    low: list[float]  # mean - sd
    mean: list[float]
    high: list[float]  # mean + sd


def seed_band(runs: Sequence[Curve]) -> SeedBand | None:
    """Return mean ± sd over the seeds of a method; None for one seed, or where no epoch is common to all."""
    by_epoch = [dict(zip(run.epochs, run.values, strict=True)) for run in runs]
    common = sorted(set.intersection(*(set(values) for values in by_epoch)))
    if len(runs) < 2 or not common:
        return None
    points = [mean_of(epoch, [values[epoch] for values in by_epoch]) for epoch in common]
    low, high = ([point.mean + sign * (point.sd or 0) for point in points] for sign in (-1, 1))
    return SeedBand(common, low, [point.mean for point in points], high)


def table(runs: Sequence[Curve], select: str, dataset: str) -> list[dict[str, Any]]:
    """Return a row per run and epoch."""
    return [
        {
            "dataset": dataset,
            "metric": f"{select}, validation rows",
            "method": curve.label,
            "run": curve.run,
            "epoch": epoch,
            "value": value,
            "kept": epoch == curve.best,
        }
        for curve in runs
        for epoch, value in zip(curve.epochs, curve.values, strict=True)
    ]


def draw(runs: Sequence[Curve], select: str, path: Path, title: str) -> None:
    """Write one line per run with a marker on the epoch that was kept, and a band over the seeds of each method."""
    from matplotlib.ticker import MaxNLocator

    names = list(dict.fromkeys(curve.label for curve in runs))
    with figure(path, title, width=4.6) as (made, (ax,)):
        handles = {}
        for name in names:
            of_method = [curve for curve in runs if curve.label == name]
            style, band = look(names.index(name)), seed_band(of_method)
            for curve in of_method:
                thin = {"linewidth": 0.6, "alpha": 0.6} if band else {}
                kept = [curve.epochs.index(curve.best)]
                handles[name] = ax.plot(curve.epochs, curve.values, markevery=kept, **style | thin)[0]
            if band:
                ax.fill_between(band.epochs, band.low, band.high, color=style["color"], alpha=0.18, linewidth=0)
                handles[name] = ax.plot(band.epochs, band.mean, **style | {"marker": ""})[0]
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        several = f"; band: {SPREAD}" if len(runs) > len(names) else ""
        ax.set(xlabel=f"epoch (marker: the one kept{several})", ylabel=f"{select}, validation rows")
        legend(made, list(handles.values()), list(handles))
