"""Counts of a dataset beside those that the catalogue or a paper gives."""

from __future__ import annotations

from recbench.data.manifest import CountCheck
from recbench.sources.dataset_spec import ExpectedCounts


def compare(expect: ExpectedCounts, found: dict[str, int]) -> CountCheck:
    """Return the counts beside those of the catalogue; `matches` is None where it has none."""
    expected: dict[str, int | str | None] = {"rows": expect.rows, "users": expect.users, "items": expect.items}
    expected |= expect.positives or {}
    expected |= {"train": expect.train, "test": expect.test}
    known = {name: count for name, count in expected.items() if count is not None}
    matches = all(agrees(found.get(name, 0), count) for name, count in known.items()) if known else None
    return CountCheck(known, found, matches, expect.source)


def agrees(count: int, expected: int | str) -> bool:
    """Return whether a count is as expected, or is printed like that, as 2,131,000 is 2.13M."""
    if isinstance(expected, int):
        return count == expected
    number, unit = expected[:-1], expected[-1].upper()
    scale = {"K": 10**3, "M": 10**6}[unit]
    return abs(count - float(number) * scale) <= 0.5 * scale * 0.1 ** len(number.partition(".")[2])
