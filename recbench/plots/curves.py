"""The validation metric of chosen runs after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recbench.errors import UsageError
from recbench.plots.figure import figure, legend, look
from recbench.plots.measured import labels
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


def draw(runs: Sequence[Curve], select: str, path: Path, title: str) -> None:
    """Write one line per run, alike for the seeds of one method, with a marker on the epoch that was kept."""
    from matplotlib.ticker import MaxNLocator

    names = list(dict.fromkeys(curve.label for curve in runs))
    with figure(path, title, width=4.6) as (made, (ax,)):
        handles = {}
        for curve in runs:
            style = look(names.index(curve.label))
            handles[curve.label] = ax.plot(curve.epochs, curve.values, markevery=[curve.best - 1], **style)[0]
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="epoch (marker: the one kept)", ylabel=f"{select}, validation rows")
        legend(made, list(handles.values()), list(handles))
