"""The short report that `recbench prepare` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.data.manifest import PARTS, SIDES, Column, CountCheck, EntitySide, Finding, Manifest
from recbench.preparation.manifest_contents import agrees
from recbench.preparation.prepare import Prepared
from recbench.preparation.time_units import date_and_minute

MOST = 0.5  # share of test rows of users without train rows, above which the split is hardly meant


def report(prepared: Prepared) -> RenderableType:
    """Return the report of a prepared dataset for a rich console: parts, features, where it lies."""
    return Group(_parts(prepared.manifest), *(Text(line) for line in _lines(prepared)))


def _lines(prepared: Prepared) -> list[str]:
    """Return the lines below the table of parts."""
    manifest = prepared.manifest
    lines = [_entities(manifest, side) for side in SIDES] + [_unseen(manifest)]
    if len(manifest.feedback) > 1:
        lines += [
            f"feedback from frequent to rare, with the share of train rows that give it or a rarer one: "
            f"{', '.join(_levels(manifest))}",
            f"rows that give a rarer feedback without every more frequent one: {manifest.unnested:.2%}",
        ]
    if manifest.options.weight is not None:
        lines.append(f"each row weighs {manifest.options.weight}, where --set train.row_weights=true asks for it")
    if manifest.counts.matches:
        lines.append(f"counts match {manifest.counts.source or 'the catalogue'}: {_expected(manifest.counts)}")
    lines.append(_certificate(manifest.certificate))
    lines += [f"{name}: {text}" for name, text in (("note", manifest.note), ("licence", manifest.licence)) if text]
    cost = manifest.cost
    if prepared.fresh:
        lines.append(
            f"prepared {sum(manifest.rows.values()):,} rows in {cost.seconds:.1f} s with at most "
            f"{cost.peak_bytes / 2**30:.2f} GiB of memory (limit {cost.max_memory / 2**30:.1f} GiB)"
        )
    return [*lines, f"fingerprint {manifest.fingerprint[:12]}, written to {prepared.folder}"]


def warnings(manifest: Manifest) -> list[str]:
    """Return what a reader of results must know: counts unlike the catalogue's, leaks, files that were absent."""
    counts = manifest.counts
    differences = [
        f"{name} {counts.found.get(name, 0):,} instead of {_number(count)}"
        for name, count in counts.expected.items()
        if not agrees(counts.found.get(name, 0), count)
    ]
    source = f" of {counts.source}" if counts.source else ""
    lines = []
    if differences:
        lines.append(f"not the complete dataset{source}: {', '.join(differences)}; published numbers do not apply")
    lines += [f"leak: {finding.message}" for finding in manifest.certificate if finding.status == "broken"]
    for side in SIDES:
        table = manifest.entities(side)
        if table.keys < table.count:
            lines.append(
                f"{table.count:,} {side} for {table.keys:,} keys, since features vary between rows; retrieval, GAUC "
                "and the filter of seen items count each combination of key and features by itself"
                + (f'; changing = "last" in `{side[:-1]}` makes them one' if manifest.options.reader == "table" else "")
            )
        file = (manifest.options.user if side == "users" else manifest.options.item).file
        if table.undescribed and file is not None:
            lines.append(
                f"{table.undescribed:,} of {table.count:,} {side} are not in {file}, so that their features are empty"
            )
    lines += [f"{file} was not found; prepared without it" for file in manifest.absent]
    return [*lines, *_strangers(manifest), *_constant_feedback(manifest)]


def _strangers(manifest: Manifest) -> list[str]:
    """Return a line where most test rows are of users that no train row names, unless the split means that."""
    share = manifest.new["test"]["users"].rows / manifest.rows["test"]
    if manifest.new_test_users or share <= MOST:
        return []
    return [
        f"{share:.1%} of the test rows are of users without train rows, whom most methods cannot tell apart; "
        "`--split user` tests on later rows of users that are known"
    ]


def _constant_feedback(manifest: Manifest) -> list[str]:
    """Return a line for feedback that every train row gives, which no row can be ranked by."""
    constant = [name for name in manifest.feedback if manifest.rates["train"][name] == 1]
    others = [name for name in manifest.feedback if name not in constant]
    if not constant:
        return []
    remedy = f"`--feedback {','.join(others)}` leaves it out, and " if others else ""
    return [
        f"every train row gives {' and '.join(constant)}, so that there is no AUC of it, and losses on logged rows "
        f"(bce) learn nothing from it; {remedy}losses that draw negatives (bpr, softmax) and recall need no others"
    ]


def _parts(manifest: Manifest) -> Table:
    """Return a column for each part, so that nothing is cut however many feedback types there are."""
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title_justify="left", title_style="bold")
    grid.title = Text(f"{manifest.title}, split {manifest.split}")
    grid.add_column("", overflow="fold")
    for part in PARTS:
        grid.add_column(part, justify="right", overflow="fold")
    grid.add_row("rows", *(f"{manifest.rows[part]:,}" for part in PARTS))
    for name in manifest.feedback:
        grid.add_row(Text(f"share of rows with {name}"), *(f"{manifest.rates[part][name]:.4f}" for part in PARTS))
    if manifest.time is not None:
        unit = manifest.options.time_unit
        for end, heading in enumerate(("first row (UTC)", "last row (UTC)")):
            grid.add_row(heading, *(date_and_minute(manifest.time[part][end], unit) for part in PARTS))
    return grid


def _entities(manifest: Manifest, side: EntitySide) -> str:
    table = manifest.entities(side)
    seen = "all of them" if table.seen == table.count else f"{table.seen:,} of them"
    features = ", ".join(map(_feature, table.columns))
    return f"{table.count:,} {side}, {seen} in train; features: {features or 'none'}"


def _feature(column: Column) -> str:
    if column.kind == "vector":
        return f"{column.name} (vector of {column.width} numbers)"
    if column.kind == "numeric":
        return f"{column.name} ({column.size - 2:,} buckets)"
    bag = f", up to {column.width} a row" if column.kind == "bag" else ""
    return f"{column.name} ({column.size - 1:,} values{bag})"


def _unseen(manifest: Manifest) -> str:
    parts = []
    for part, by_side in manifest.new.items():
        sides = [
            f"{unseen.distinct:,} {side} ({unseen.rows / manifest.rows[part]:.1%} of its rows)"
            for side, unseen in by_side.items()
            if unseen.rows
        ]
        parts += [f"in {part} {' and '.join(sides)}"] if sides else []
    return f"not in train: {'; '.join(parts)}" if parts else "all users and items of valid and test occur in train"


def _levels(manifest: Manifest) -> Iterable[str]:
    for name, rate, threshold in zip(manifest.feedback, manifest.level_rates, manifest.thresholds, strict=True):
        shown = "" if threshold is None else f" (ordinal threshold {threshold:.3f})"
        yield f"{name} {rate:.4f}{shown}"


def _expected(counts: CountCheck) -> str:
    return ", ".join(f"{name} {_number(count)}" for name, count in counts.expected.items())


def _number(count: int | str) -> str:
    return count if isinstance(count, str) else f"{count:,}"


def _certificate(findings: Sequence[Finding]) -> str:
    broken = [finding.rule for finding in findings if finding.status == "broken"]
    if broken:
        names = ", ".join(broken)
        return f"leak certificate: {len(broken)} of {len(findings)} rules broken ({names}); see `recbench check`"
    return f"leak certificate: none of {len(findings)} rules broken; `recbench check` shows them"
