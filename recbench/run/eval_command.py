"""What `recbench eval` and `recbench rescore` do: which runs, which metrics, one run after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from recbench.errors import DataError, UsageError
from recbench.evaluation.dialects import find_dialect
from recbench.evaluation.index import parse_index
from recbench.evaluation.request import Request, parse
from recbench.results import leaderboard, sweeps
from recbench.results.record import Plan, RunRecord
from recbench.results.store import Store
from recbench.run.evaluate import EvalOptions, EvaluatedRun, evaluate_run
from recbench.terminal import print_line
from recbench.training.model import pick_device
from recbench.training.ranks import join, noticing_loss, own_device
from recbench.training.scorer import notes_once

MAX_DIGESTS = 12  # in a line
DEFAULT_METRICS = ("auc", "gauc", "recall@50", "ndcg@50")


@dataclass(frozen=True)
class EvalRequest(EvalOptions):
    """The options of a command that say which metrics are computed, and how the test rows are scored."""

    metrics: tuple[str, ...] = ()  # none: those of DEFAULT_METRICS that the dialect has
    dialect: str | None = None
    imports: tuple[Path, ...] = ()  # the user's own files, for hints that can be typed

    def parsed(self) -> list[Request]:
        """Return the metrics; raises UsageError for one that does not exist and for options that exclude each other."""
        parse_index(self.index)
        if self.candidates not in ("catalogue", "test"):
            for option, value in (("--index", self.index), ("--dialect", self.dialect)):
                if value not in ("flat", None):
                    raise UsageError(f"{option} {value} says what is ranked; leave out --candidates {self.candidates}")
        words = self.metrics or DEFAULT_METRICS
        if self.dialect is not None and not self.metrics:
            words = tuple(word for word in words if word.partition("@")[0] in find_dialect(self.dialect).metrics)
        return [parse(word, self.dialect) for word in words]


def chosen_records(
    runs: Sequence[str], store: Store, console: Console, dataset: str | None = None, *, to_evaluate: bool = True
) -> list[RunRecord]:
    """Return the runs that the words name, see `Store.named`, or those of the last `train`, and print which.

    Where they are chosen `to_evaluate`, trials of sweeps that validation passed over are left out of those that a word
    without settings means.
    On one `dataset` (DATASET or DATASET/SPLIT) alone if that is given: then, without words, those of the last `train`
    that are on it, or the run on it that finished last.
    """
    if runs:
        named = []
        for word in runs:
            records = store.named(word, dataset=dataset)
            named += _without_trials(word, records, store) if to_evaluate else records
        for note in store.notes:
            print_line(console, note)
        return list({record.key.digest: record for record in named}.values())
    records = _last_records(store) if dataset is None else _last_on(dataset, store)
    data = " and ".join(dict.fromkeys(record.key.data for record in records))
    if len(records) <= MAX_DIGESTS:
        print_line(console, f"run {', '.join(record.key.digest for record in records)} on {data} (the most recent)")
    else:
        print_line(console, f"the {len(records)} runs of the last `train`, on {data}")
    return records


def _without_trials(word: str, records: list[RunRecord], store: Store) -> list[RunRecord]:
    """Return the runs without trials of sweeps that are neither the best nor evaluated, which a note of `store` counts.

    Those that a word names by their settings or by a tag are meant, and so they are where it means nothing else.
    """
    if len(records) == 1 or "=" in word or store.labels.tagged(word):
        return records
    trials = sweeps.passed_over(store)
    kept = [run for run in records if run.key.digest not in trials or store.evaluations(run.key)]
    if not kept or len(kept) == len(records):
        return records
    store.notes[
        f"{word}: without {len(records) - len(kept)} trials of sweeps that were not the best on validation; name their "
        "settings or digits to evaluate them"
    ] = None
    return kept


def evaluate_all(
    records: Sequence[RunRecord], request: EvalRequest, store: Store, console: Console, device: str
) -> list[EvaluatedRun]:
    """Compute these metrics of the runs and keep them; processes that torchrun has started do it together."""
    metrics = request.parsed()
    ranks = join()
    options = replace(request, device=own_device(pick_device(device)))
    outcomes = []
    for record in records:
        with console.status(f"evaluating {record.key.digest}"), noticing_loss():
            outcomes.append(evaluate_run(record, store, metrics, options))
    if ranks.first:
        leaderboard.write_markdown(store)
    for note in notes_once(note for outcome in outcomes for note in outcome.notes):
        print_line(console, f"note: {note}")
    return outcomes


def _last_on(dataset: str, store: Store) -> list[RunRecord]:
    """Return the finished runs of the last `train` on a dataset, or the run on it that finished last."""
    try:
        keys = store.read_plan().keys
    except (UsageError, DataError):
        keys = []
    finished = [store.record(key) for key in keys if key in store and key.is_on(dataset)]
    return finished or [store.latest(dataset)]


def _last_records(store: Store) -> list[RunRecord]:
    """Return the finished runs of the last `train`, or the run that finished last where there is no such plan.

    Raises UsageError where the last `train` has finished no run.
    """
    plan: Plan | None
    try:
        plan = store.read_plan()
        finished = [store.record(key) for key in plan.keys if key in store]
    except (UsageError, DataError):
        plan, finished = None, []
    latest = store.latest()
    if plan and plan.keys and not finished:
        first = plan.keys[0]
        raise UsageError(
            f"no run of the last `train` ({first.method} on {first.data}) is finished; `{plan.resume_command}` "
            f"finishes them, --run latest takes {latest.key.digest} ({latest.key.method} on {latest.key.data})"
        )
    return finished or [latest]
