"""Lists of runs, as `recbench runs` prints them; loads nothing heavy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from recbench.errors import UsageError, require_known
from recbench.results.record import RunRecord, named_sources, settings_in_words
from recbench.results.store import Store
from recbench.settings import typed_words
from recbench.terminal import clean_line


@dataclass(frozen=True)
class ListedRun:
    """One line of the list."""

    run: str
    method: str
    settings: str  # those that are not the default, and the digests of the user's own files
    data: str
    seed: int
    select: str  # the validation metric, in words
    valid: float
    seconds: float
    finished: str
    evaluated: int  # evaluations on the test rows
    tags: tuple[str, ...]
    hidden: bool


def chosen_runs(
    words: Sequence[str], store: Store, dataset: str | None, tag: str | None, with_hidden: bool
) -> list[RunRecord]:
    """Return the runs that the words mean, all without words, the latest first; hidden ones only if asked for.

    `dataset` is DATASET or DATASET/SPLIT. Raises UsageError for a word that means no run.
    """
    if words:
        named = [
            record
            for word in words
            for record in store.named(word, with_hidden=with_hidden, dataset=dataset, on_all_data=True)
        ]
    else:
        named = [record for record, _ in store.runs()]
        if not named and not store.warnings:
            raise store.no_runs()
    labels = store.labels
    tags = {name for names in labels.tags.values() for name in names}
    require_known("tag", [tag], tags)
    tagged = None if tag is None else labels.tagged(tag)
    hidden: Collection[str] = () if with_hidden or words else frozenset(labels.hidden)
    kept = {
        record.key.digest: record
        for record in named
        if record.key.is_on(dataset)
        and record.key.digest not in hidden
        and (tagged is None or record.key.digest in tagged)
    }
    if not kept:
        raise UsageError("no such runs; `recbench runs --hidden` lists all")
    return sorted(kept.values(), key=lambda record: (record.finished, record.key.digest), reverse=True)


def listed(records: Iterable[RunRecord], store: Store) -> list[ListedRun]:
    """Return a line per run."""
    labels = store.labels
    return [
        ListedRun(
            run=record.key.digest,
            method=record.key.method,
            settings=", ".join(
                filter(None, [settings_in_words(record.non_default), *typed_words(named_sources(record.key))])
            ),
            data=record.key.data,
            seed=record.key.seed,
            select=record.selected_by,
            valid=record.valid,
            seconds=record.seconds,
            finished=record.finished,
            evaluated=len(store.evaluations(record.key)),
            tags=tuple(labels.tags.get(record.key.digest, ())),
            hidden=record.key.digest in labels.hidden,
        )
        for record in records
    ]


def runs_table(runs: Sequence[ListedRun]) -> Table:
    """Return the list for a rich console, as wide as it is."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for run in runs:
        marks = [*run.tags, *(["hidden"] if run.hidden else []), *([] if run.evaluated else ["not evaluated"])]
        head = Text.assemble(run.run, "\n", (run.finished[:16].replace("T", " "), "dim"))
        reached = f"valid {run.select} {run.valid:.4f}"
        line = Text.assemble((clean_line(run.method), "bold"), f", seed {run.seed}  {reached}")
        line.append(f"  {clean_line(', '.join(marks))}" if marks else "", "yellow")
        line.append(f"\n{clean_line('  '.join(filter(None, [run.data, run.settings])))}", "dim")
        table.add_row(head, line)
    return table
