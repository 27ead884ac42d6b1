"""Units of time: whether a log is in the one that the catalogue says, by when it would be in each, and dates."""

from __future__ import annotations

import numpy as np
import polars as pl

from recbench.errors import DataError
from recbench.sources.dataset_spec import DatasetSpec

FIRST, LAST = 631_152_000, 4_102_444_800  # 1990 and 2100, in seconds since 1970
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # in a second
NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


class TimeUnits:
    """How many times lie between 1990 and 2100 in each unit, which no number does in two of them."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._inside = dict.fromkeys(UNITS, 0)
        self._rows = self._early = self._late = 0

    def add(self, time: pl.Series) -> None:
        """Count the times of some rows."""
        self._rows += len(time)
        self._early += int((time < FIRST * UNITS[self._unit]).sum())
        self._late += int((time > LAST * UNITS[self._unit]).sum())
        for unit, scale in UNITS.items():
            self._inside[unit] += int(time.is_between(FIRST * scale, LAST * scale).sum())

    def check(self, spec: DatasetSpec) -> None:
        """Raise DataError if most times are in another unit, or some; one's own times may count from anything."""
        others = {unit: count for unit, count in self._inside.items() if unit != self._unit}
        other = max(others, key=lambda unit: others[unit])
        fit = others[other]
        outside = self._early + self._late
        from_anything = spec.relative_time or spec.folder is not None
        strange = 2 * self._late > self._rows or (2 * self._early > self._rows and not from_anything)
        if strange or 2 * fit > self._rows:
            advice = (
                f'{fit:,} lie inside as {NAMES[other]}: say time_unit = "{other}" in the catalogue'
                if fit
                else "correct the times or get the file again"
            )
            raise DataError(
                f"{spec.name}: {outside:,} of {self._rows:,} times `{spec.time}` lie outside 1990 to 2100 as "
                f"{self._unit} since 1970; {advice}"
            )
        if self._inside[self._unit] and fit:
            raise DataError(
                f"{spec.name}: {fit:,} of {self._rows:,} times `{spec.time}` lie outside 1990 to 2100 as {self._unit} "
                f"since 1970 and inside as {NAMES[other]}; write all times in one unit, or drop these rows by `filter`"
            )


def date_and_minute(moment: int, unit: str) -> str:
    """Return a moment since 1970 as a UTC date and minute, or as a number where that is no date."""
    seconds = moment // UNITS[unit]
    if not -62_135_596_800 <= seconds < 253_402_300_800:  # the years 1 to 9999
        return str(moment)
    return str(np.datetime64(seconds, "s").astype("datetime64[m]")).replace("T", " ")
