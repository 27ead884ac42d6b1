"""Whether what was best in a search lies at an end of what was tried, so that better may lie beyond."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from recbench.errors import in_a_row
from recbench.results.sweeps import Trial
from recbench.study.search_space import Dimension, Point

# How many values must have been tried, and how many of the best must lie at an end: of a range two, as the best alone
# would often lie there by chance.
OF_LIST = (3, 1)
OF_RANGE = (5, 2)


def ends_reached(
    dimensions: Sequence[Dimension], trials: Sequence[Trial], can_be: Callable[[str, Point], bool]
) -> list[str]:
    """Return a line for each loss of which better values may lie beyond those that were tried.

    `trials` are ranked as those of a `Sweep`. `can_be` says whether a loss takes the settings of a point: nothing is
    said of an end beyond which it takes none.
    """
    of_loss: dict[str, list[Point]] = {}
    for trial in trials:
        if trial.valid is not None:
            of_loss.setdefault(trial.loss, []).append(trial.point)
    lines = []
    for loss, points in of_loss.items():
        found = [said for one in dimensions if (said := _beyond(one, points, partial(can_be, loss)))]
        if found:
            lines.append(f"{loss}: {'; '.join(found)}")
    return lines


def _beyond(dimension: Dimension, points: Sequence[Point], can_be: Callable[[Point], bool]) -> str:
    """Return what to say of one setting, of which the best of these points are the first; empty for nothing."""
    setting = dimension.setting
    try:
        ends = [float(word) for word in dimension.words]
        words = {float(point[setting]): point[setting] for point in points}
        ranked = list(dict.fromkeys(float(point[setting]) for point in points))
    except (KeyError, ValueError):  # not a setting of all of them, or not a number
        return ""
    fewest, count = OF_LIST if dimension.number is None else OF_RANGE
    best, tried = sorted(ranked[:count]), sorted(ranked)
    if len(tried) < fewest or best not in (tried[:count], tried[-count:]):
        return ""
    lowest = best == tried[:count]
    end, way = (min(ends), -1) if lowest else (max(ends), 1)
    further = [str(math.nextafter(end, way * math.inf)), *([str(int(end) + way)] if end.is_integer() else [])]
    if not any(can_be(points[0] | {setting: word}) for word in further):
        return ""
    superlative, comparative = ("smallest", "smaller") if lowest else ("largest", "larger")
    named = in_a_row([words[number] for number in best])
    said = f"the best {setting}, {named}, is" if count == 1 else f"the best two values of {setting}, {named}, are"
    wider = str(dimension).replace("|", ",")
    return f"{said} the {superlative} of {len(tried)} tried, and {comparative} ones may be better: widen --grid {wider}"
