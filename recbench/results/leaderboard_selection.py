"""What the leaderboard shows of all that was measured, unless everything is asked for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import msgspec

from recbench.errors import UsageError, counted
from recbench.results.leaderboard_rows import Column, LeaderboardRow
from recbench.results.record import RunRecord
from recbench.results.setting_choice import name_of

USUAL = frozenset(("auc", "gauc", "logloss", "recall", "ndcg", "hr", "mrr", "precision", "map"))
MAX_RUNS = 6  # in a message


def worth_showing(rows: Sequence[LeaderboardRow], *, metrics_asked: bool) -> list[LeaderboardRow]:
    """Return the rows of settings that validation chose, under metrics that are usual, or else under any.

    With `metrics_asked` the rows are of metrics that the user named, all of which are shown.
    """
    chosen = [row for row in rows if row.chosen]
    usual = {row.column[:4] for row in chosen if is_usual(row.column)}  # dataset and feedback with usual metrics
    return [row for row in chosen if metrics_asked or is_usual(row.column) or row.column[:4] not in usual]


def only_of(
    rows: Iterable[LeaderboardRow], runs: Iterable[RunRecord], data: Collection[str] = ()
) -> list[LeaderboardRow]:
    """Return the rows that these runs are part of, all worth showing whether validation chose them or not.

    The rows on `data`, each DATASET or DATASET/SPLIT, are among them as they are.

    Raises UsageError that names the runs if none of them is evaluated.
    """
    named = dict.fromkeys(record.key.digest for record in runs)
    kept = []
    for row in rows:
        if not named.keys().isdisjoint(row.runs):
            tried = row.settings_tried if row.chosen else 1
            kept.append(msgspec.structs.replace(row, chosen=True, settings_tried=tried))
        elif row.dataset in data or f"{row.dataset}/{row.split}" in data:
            kept.append(row)
    if not kept:
        words = " ".join(f"--run {digest}" for digest in list(named)[:MAX_RUNS])
        raise UsageError(f"none of these runs is evaluated under such metrics; run `recbench eval {words}`")
    return kept


def note_of_hidden(rows: Sequence[LeaderboardRow], shown: Sequence[LeaderboardRow]) -> str:
    """Return how much of `rows` is not among those `shown`, "" if nothing."""
    settings = len({row.run for row in rows} - {row.run for row in rows if row.chosen})
    metrics = len({(row.metric, row.signature) for row in rows} - {(row.metric, row.signature) for row in shown})
    parts = [f"{counted(settings, 'further setting')} of these methods"] if settings else []
    parts += [counted(metrics, "further metric")] if metrics else []
    if not parts:
        return ""
    return f"a line is the setting that is best on validation rows; not shown: {' and '.join(parts)}"


def note_of_choice(rows: Iterable[LeaderboardRow]) -> str:
    """Return what "best of 3" means where every setting is shown, "" if no row says so."""
    counted = any(row.chosen and row.settings_tried > 1 for row in rows)
    return "best of N: on validation rows, of the N settings of the method that were run" if counted else ""


def is_usual(column: Column) -> bool:
    """Whether a metric is one of those that most papers print, by recbench's own definition over all items."""
    words = column.signature.split("; ")
    special = any(
        word.startswith(("dialect=", "ranked by=", "candidates=sampled", "candidates=file", "search=kNN-Embed"))
        for word in words
    )
    return name_of(column.metric) in USUAL and not special


def of_whole_catalogue(rows: Iterable[LeaderboardRow]) -> list[str]:
    """Return a warning per metric of the first k items where k is at least the catalogue, so that nothing is chosen."""
    warnings: dict[str, None] = {}
    for row in rows:
        items = re.search(r"candidates=catalogue\(([0-9,]+)\)", row.signature)
        cutoff = re.search(r"@([0-9]+)", row.metric)
        if items and cutoff and int(cutoff[1]) >= int(items[1].replace(",", "")):
            line = (
                f"{row.metric} on {row.dataset}/{row.split} ranks all {items[1]} items of the catalogue; a smaller k "
            )
            warnings[f"{line}tells methods apart"] = None
    return list(warnings)
