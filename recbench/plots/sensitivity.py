"""A metric against a setting, from runs that differ in that setting alone; after Figures 5 and 9 of GNOLR."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from recbench.data.noise import parse_noise
from recbench.errors import UsageError, require_known
from recbench.plots.measured import Measured, Run, labels, measured, missing
from recbench.plots.series import Panel, Point, Series, mean_of, numeric
from recbench.results.record import RunKey, RunRecord
from recbench.settings import Value

NOISE = "train.noise"


def panels(runs: Sequence[Run], setting: str, metric: str) -> list[Panel]:
    """Return a panel per feedback with a line per loss and backbone: mean and sd over seeds by value of `setting`.

    On test rows, or on validation rows where the test rows give no line (trials of sweeps). Of several settings of the
    same loss and backbone the one that has the most values counts, then the best; a line has two values or more.
    Raises UsageError if no two runs differ in `setting` alone, or if these have no values of `metric`.
    """
    known = {name for record, _ in runs for name in record.key.settings}
    require_known("setting of these runs", [setting], known)
    varied = _varied([record for record, _ in runs], setting)
    if not varied:
        raise UsageError(f"no two runs differ in {setting} alone; run `recbench sweep --grid {setting}=` with values")
    for part in ("test", "valid"):
        drawn = [panel for values in measured(runs, metric, part) if (panel := _panel(values, varied, setting)).lines]
        if drawn:
            return drawn
    raise missing(metric)


def _varied(records: Sequence[RunRecord], setting: str) -> list[list[RunRecord]]:
    """Return the runs that differ in the setting and the seed alone, where it has two values or more."""
    groups: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        groups[_rest(record.key, setting)].append(record)
    return [group for group in groups.values() if len({record.key.settings.get(setting) for record in group}) > 1]


def _rest(key: RunKey, setting: str) -> str:
    others = {name: value for name, value in key.settings.items() if name != setting}
    return replace(key, settings=others).group


def _panel(of_feedback: Measured, varied: Sequence[Sequence[RunRecord]], setting: str) -> Panel:
    best: dict[tuple[str, str], tuple[int, float, Series]] = {}
    named = labels((record for group in varied for record in group), without=setting)
    for group in varied:
        values: dict[Value, list[float]] = defaultdict(list)
        for record in group:
            if record.key.digest in of_feedback.values:
                values[record.key.settings.get(setting, "")].append(of_feedback.values[record.key.digest])
        if len(values) < 2:
            continue
        key = group[0].key
        points = [mean_of(x, values[x]) for x in _ordered(list(values))]
        line = len(points), max(point.mean for point in points), Series(named[key.group], points)
        best[key.loss, key.backbone] = max(
            best.get((key.loss, key.backbone), line), line, key=lambda ranked: ranked[:2]
        )
    lines = [best[method][2] for method in sorted(best)]
    order = _ordered(list({point.x for line in lines for point in line.points}))
    return Panel(of_feedback.title, setting, of_feedback.axis, lines, tuple(order))


def _ordered(values: list[Value]) -> list[Value]:
    return sorted(values, key=float) if numeric(values) else sorted(values, key=str)


def noise_panels(runs: Sequence[Run], metric: str, drop: bool) -> list[Panel]:
    """Return a panel per feedback with a line per loss and backbone, from no noise in the training rows to the most.

    After Figure 3 of TIL (CIKM 2022, https://arxiv.org/abs/2208.01709). With `drop`, by how many per cent of its value
    without noise the metric falls; methods without such a value are left out. Raises UsageError if no two runs differ
    in their noise alone, or if these have no values of `metric`.
    """
    if not any(NOISE in record.key.settings for record, _ in runs):
        raise UsageError("no run was trained with noise; train once without, once with --noise pos=0.5,neg=0.5")
    panels_by_noise = [_sorted(panel) for panel in panels(runs, NOISE, metric)]
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
