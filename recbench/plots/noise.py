"""A metric against noise in the training rows; after Figure 3 of TIL (CIKM 2022, https://arxiv.org/abs/2208.01709)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recbench.data.noise import parse_noise
from recbench.errors import UsageError
from recbench.plots.measured import Run
from recbench.plots.sensitivity import panels as sensitivity
from recbench.plots.series import Panel, Point, Series

SETTING = "train.noise"


def panels(runs: Sequence[Run], metric: str, drop: bool) -> list[Panel]:
    """Return a panel per feedback with a line per loss and backbone, from no noise to the most.

    With `drop`, by how many per cent of its value without noise the metric falls; methods without such a value are left
    out. Raises UsageError if no two runs differ in their noise alone, or if these have no values of `metric`.
    """
    if not any(SETTING in record.key.settings for record, _ in runs):
        raise UsageError("no run was trained with noise; train once without, once with --noise pos=0.5,neg=0.5")
    panels_by_noise = [_sorted(panel) for panel in sensitivity(runs, SETTING, metric)]
    if not drop:
        return panels_by_noise
    drops = [replace(panel, y=f"drop of {panel.y} (%)", lines=_drops(panel.lines)) for panel in panels_by_noise]
    drops = [panel for panel in drops if panel.lines]
    if not drops:
        raise UsageError("no method was trained without noise too; run the same `recbench train` without --noise")
    return drops


def _sorted(panel: Panel) -> Panel:
    """Return the panel with its values from no noise to the most, in words."""
    order = sorted(panel.order, key=lambda word: (sum(shares(word)), shares(word)[1]))
    lines = [
        Series(
            line.label,
            [replace(p, x=shares_in_words(p.x)) for p in sorted(line.points, key=lambda p: order.index(p.x))],
        )
        for line in panel.lines
    ]
    return replace(
        panel, x="noise, shares of each user's positives", lines=lines, order=tuple(map(shares_in_words, order))
    )


def shares(word: object) -> tuple[float, float]:
    """Return the shares (pos, neg) of a value of the setting; "" is none."""
    return parse_noise(str(word)) if word else (0.0, 0.0)


def shares_in_words(word: object) -> str:
    """Return a value of the setting as it stands on the axis."""
    parts = [f"{name} {share:g}" for name, share in zip(("pos", "neg"), shares(word), strict=True) if share]
    return "\n".join(parts) or "none"


def _drops(lines: Sequence[Series]) -> list[Series]:
    drops = []
    for line in lines:
        clean = next((point.mean for point in line.points if point.x == "none"), None)
        if clean:
            points = [Point(p.x, 100 * (1 - p.mean / clean), p.sd and 100 * p.sd / clean, p.seeds) for p in line.points]
            drops.append(Series(line.label, points))
    return drops
