"""A metric against a setting, from runs that differ in that setting alone; after Figures 5 and 9 of GNOLR."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from recbench.errors import UsageError, require_known
from recbench.plots.measured import Measured, Run, labels, measured, missing
from recbench.plots.series import Panel, Series, mean_of, numeric
from recbench.results.record import RunKey, RunRecord
from recbench.settings import Value


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
