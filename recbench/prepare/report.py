"""The short report that `recbench prepare` prints."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.prepare.manifest import fits
from recbench.prepare.prepare import Prepared
from recbench.prepare.split import PARTS


def report(prepared: Prepared) -> RenderableType:
    """Return the report of a prepared dataset for a rich console: parts, features, where it lies."""
    told = prepared.manifest
    lines = [Text(line) for line in facts(prepared)]
    return Group(_parts(told), *lines)


def facts(prepared: Prepared) -> list[str]:
    """Return the lines below the table of parts."""
    told = prepared.manifest
    lines = [
        f"{side} {told[side]['count']:,}, {told[side]['seen']:,} of them in train: "
        + ", ".join(_feature(column) for column in told[side]["columns"])
        for side in ("users", "items")
    ]
    lines += [_new(told, part) for part in PARTS[1:]]
    lines += [
        "share of train rows that reach each level: " + ", ".join(_levels(told)),
        f"rows with a feedback but not a denser one: {told['unnested']:.2%}",
    ]
    if told["counts"]["matches"]:
        lines.append(f"counts match {told['counts'].get('source') or 'the catalogue'}: {_matched(told['counts'])}")
    lines.append(_certified(told["certificate"]))
    lines += [f"{key}: {told[key]}" for key in ("note", "licence") if told[key]]
    cost = told["cost"]
    lines.append(
        f"{sum(told['rows'].values()):,} rows in {cost['seconds']:.1f} s, at most "
        f"{cost['peak_bytes'] / 2**30:.2f} GiB of memory ({cost['max_memory'] / 2**30:.1f} allowed)"
    )
    state = "written to" if prepared.fresh else "already prepared, nothing to do:"
    return [*lines, f"fingerprint {told['fingerprint'][:12]}, {state} {prepared.folder}"]


def warnings(told: dict[str, Any]) -> list[str]:
    """Return what a reader of results must know: counts unlike the catalogue's, files that were absent."""
    found, expected = told["counts"]["found"], told["counts"]["expected"]
    wrong = [
        f"{name} {found.get(name, 0):,} instead of {_count(count)}"
        for name, count in expected.items()
        if not fits(found.get(name, 0), count)
    ]
    of = f" of {told['counts']['source']}" if told["counts"].get("source") else ""
    lines = [f"not the complete dataset{of}: {', '.join(wrong)}; published numbers do not apply"] if wrong else []
    lines += [f"leak: {finding['told']}" for finding in told["certificate"] if finding["status"] == "broken"]
    lines += [
        f"{told[side]['count']:,} {side} for {told[side]['keys']:,} keys, since features vary between rows; retrieval, "
        "GAUC and the filter of seen items treat each as one of its own"
        for side in ("users", "items")
        if told[side]["keys"] < told[side]["count"]
    ]
    return lines + [f"{file} was not found; prepared without it" for file in told["absent"]]


def _matched(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_count(count)}" for name, count in counts["expected"].items())


def _count(count: int | str) -> str:
    return count if isinstance(count, str) else f"{count:,}"


def _certified(findings: list[dict[str, Any]]) -> str:
    broken = [finding["rule"] for finding in findings if finding["status"] == "broken"]
    if broken:
        names = ", ".join(broken)
        return f"leak certificate: {len(broken)} of {len(findings)} rules broken ({names}); see `recbench check`"
    return f"leak certificate: none of {len(findings)} rules broken; `recbench check` shows them"


def _parts(told: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title_justify="left", title_style="bold")
    table.title = f"{told['title']}, split {told['split']}"
    table.add_column("part")
    for heading in ("rows", *told["feedback"]):
        table.add_column(heading, justify="right")
    if told["time"]:
        table.add_column("from (UTC)", no_wrap=True)
        table.add_column("to", no_wrap=True)
    for part in PARTS:
        cells = [part, f"{told['rows'][part]:,}"]
        cells += [f"{told['rates'][part][name]:.4f}" for name in told["feedback"]]
        if told["time"]:
            cells += [date(moment, told["options"]["time_unit"]) for moment in told["time"][part]]
        table.add_row(*cells)
    return table


def date(moment: int, unit: str) -> str:
    """Return a moment in s or ms since 1970 as a UTC date and minute, or as a number where that is no date."""
    seconds = moment // 1000 if unit == "ms" else moment
    if not -62_135_596_800 <= seconds < 253_402_300_800:  # the years 1 to 9999
        return str(moment)
    return str(np.datetime64(seconds, "s").astype("datetime64[m]")).replace("T", " ")


def _new(told: dict[str, Any], part: str) -> str:
    counts = (
        f"{told['new'][part][side]['distinct']:,} {side} "
        f"({told['new'][part][side]['rows'] / told['rows'][part]:.1%} of its rows)"
        for side in ("users", "items")
    )
    return f"new in {part}: {', '.join(counts)}"


def _levels(told: dict[str, Any]) -> list[str]:
    return [
        f"{name} {rate:.4f} (threshold {'none' if threshold is None else f'{threshold:.3f}'})"
        for name, rate, threshold in zip(told["feedback"], told["level_rates"], told["thresholds"], strict=True)
    ]


def _feature(column: dict[str, Any]) -> str:
    kind, size = column["kind"], column["size"]
    if kind == "vector":
        return f"{column['name']} ({column['width']} numbers)"
    if kind == "numeric":
        return f"{column['name']} ({size - 2:,} buckets)"
    bag = f", up to {column['width']} each" if kind == "bag" else ""
    return f"{column['name']} ({size - 1:,}{bag})"
