"""How `eval` puts baselines beside trained runs on the leaderboard."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from recbench.baselines.base import BASELINES, Size
from recbench.data.dataset import Dataset
from recbench.data.manifest_file import read_manifest
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import RecbenchError
from recbench.registry import missing_imports
from recbench.results import leaderboard
from recbench.results.leaderboard_rows import LeaderboardRow, collect_rows
from recbench.results.record import RunKey, RunRecord
from recbench.results.store import Store
from recbench.results.user_contributions import MetricKey
from recbench.run.baselines import (
    POPULARITY,
    baseline_key,
    fit_and_evaluate,
    needs_only_scores,
    requests_for,
    resolved_settings,
)
from recbench.run.eval_command import EvalRequest
from recbench.run.evaluate import EvaluatedRun
from recbench.run.invocation import Invocation
from recbench.terminal import print_line

MAX_FIT_SECONDS = 10.0  # longer than that, no baseline is fitted unasked
MAX_METRICS = 6  # in a note

Place = tuple[str, str, str]  # dataset, split, fingerprint


def add_baseline_rows(outcomes: Sequence[EvaluatedRun], evaluation: EvalRequest, invocation: Invocation) -> None:
    """Put popularity and the best baseline on the leaderboard beside trained runs, and say which runs are below one.

    The best is the one with the highest validation metric among those on record for the dataset, if possible by the
    metric that the trained run was selected by, and fitted to validation rows too where that run was. Where there is
    none, item-knn is fitted if that takes seconds. A failure becomes a note: the runs themselves are evaluated.
    """
    store, console = invocation.store, invocation.console
    trained: dict[Place, list[EvaluatedRun]] = {}
    for outcome in outcomes:
        if not outcome.record.key.is_baseline:
            trained.setdefault(outcome.record.key.place, []).append(outcome)
    for place, group in trained.items():
        fitted: set[str] = set()
        try:
            fitted = _evaluate_beside(place, group, evaluation, invocation)
        except RecbenchError as error:
            print_line(console, f"note: no baseline is added to the leaderboard: {error}")
        rows = [row for row in collect_rows(store, place[0]) if _metric_of(row) in _metrics_of(group)]
        for line in _notes_below(rows, {outcome.record.key.digest for outcome in group}):
            print_line(console, line)
        absent = [name for name in BASELINES.names() if name not in fitted]
        if absent and any(needs_only_scores(metric) for metric in evaluation.parsed()):
            words = ["recbench", "baselines", "--dataset", f"{place[0]}/{place[1]}", *_options(evaluation)]
            print_line(console, f"hint: `{shlex.join(words)}` tunes and adds {', '.join(absent)}")


def _evaluate_beside(
    place: Place, group: Sequence[EvaluatedRun], evaluation: EvalRequest, invocation: Invocation
) -> set[str]:
    """Fit and evaluate, under the metrics of these runs, what that has not been done with.

    Returns the names of all baselines that have been fitted to the dataset.
    """
    store, folder = invocation.store, find_prepared(f"{place[0]}/{place[1]}")
    everything = read_manifest(folder).feedback
    feedback = tuple(dict.fromkeys(name for outcome in group for name in outcome.record.key.feedback))
    metrics = requests_for(evaluation, feedback)
    names = {str(replace(metric, feedback=None)) for metric in metrics}
    wanted = {metric for metric in _metrics_of(group) if metric[0] in names}

    def default(name: str, refit: bool) -> RunKey:
        values = resolved_settings([name], [f"train.refit={str(refit).lower()}"])[name]
        return baseline_key(name, place, everything, values, 0)

    fitted = [
        record
        for record, _ in store.runs()
        if record.key.is_baseline
        and record.key.place == place
        and not missing_imports(record.imports, record.key.sources)
    ]
    others = [r for r in fitted if r.key.loss != POPULARITY and set(feedback) <= set(r.key.feedback)]
    alike = [record for record in others if record.select == group[0].record.select]
    comparable = alike or [record for record in others if record.select == others[-1].select]
    keys = []
    for refit in sorted({bool(outcome.record.key.settings.get("train.refit")) for outcome in group}):
        best = _best(comparable, refit, wanted, store)
        keys += [default(POPULARITY, refit=False), *([] if best is None else [best])]
        if not others and _is_quick("item-knn", Dataset.load(folder)):
            keys.append(default("item-knn", refit))
    missing = [key for key in {key.digest: key for key in keys}.values() if not wanted <= _evaluated(key, store)]
    if missing:
        data = Dataset.load(folder)
        for key in missing:
            fit_and_evaluate(key, data, metrics, evaluation, invocation)
        leaderboard.write_markdown(store)
    return {key.loss for key in (*keys, *(record.key for record in fitted))}


def _best(records: Sequence[RunRecord], refit: bool, wanted: set[MetricKey], store: Store) -> RunKey | None:
    """Return the key of the best on validation among what has been evaluated already or is quickly fitted again."""
    for record in sorted(records, key=lambda record: -record.valid):
        key = replace(record.key, settings={**record.key.settings, "train.refit": refit})
        if record.seconds <= MAX_FIT_SECONDS or wanted <= _evaluated(key, store):
            return key
    return None


def _is_quick(name: str, data: Dataset) -> bool:
    """Whether a baseline of default settings can be fitted, and in how short a time."""
    cls = BASELINES.get(name)
    sizes = [Size.of(data.positives_of(data.train, column), len(data.items)) for column in range(len(data.feedback))]
    return not cls.missing() and sum(cls().seconds(size) for size in sizes) <= MAX_FIT_SECONDS


def _evaluated(key: RunKey, store: Store) -> set[MetricKey]:
    """Return the metrics that a run has been evaluated under."""
    if key not in store:
        return set()
    return {(v.metric, v.feedback, v.signature) for done in store.evaluations(key) for v in done.values}


def _options(evaluation: EvalRequest) -> list[str]:
    """Return the options of `recbench baselines` that ask for the same metrics."""
    words = [word for file in evaluation.imports for word in ("--import", str(file))]
    words += [word for metric in evaluation.metrics for word in ("--metric", metric)]
    words += [] if evaluation.candidates == "catalogue" else ["--candidates", evaluation.candidates]
    words += ["--keep-seen"] if evaluation.keep_seen else []
    return words + ([] if evaluation.dialect is None else ["--dialect", evaluation.dialect])


def _metric_of(row: LeaderboardRow) -> MetricKey:
    return row.metric, row.feedback, row.signature


def _metrics_of(outcomes: Iterable[EvaluatedRun]) -> set[MetricKey]:
    return {(value.metric, value.feedback, value.signature) for outcome in outcomes for value in outcome.values}


def _notes_below(rows: Iterable[LeaderboardRow], runs: set[str]) -> list[str]:
    """Return a line per method that scores below a baseline."""
    beaten: dict[str, dict[tuple[str, str], dict[str, None]]] = {}  # by method, then by baseline and metric
    for row in rows:
        if row.below and runs & set(row.runs):
            metrics = beaten.setdefault(row.method.name, {})
            metrics.setdefault((row.below, row.metric), {})[row.feedback] = None
    lines = []
    for method, metrics in beaten.items():
        parts = [f"{baseline} in {metric} of {', '.join(feedback)}" for (baseline, metric), feedback in metrics.items()]
        more = f"; and {len(parts) - MAX_METRICS} more" if len(parts) > MAX_METRICS else ""
        lines.append(f"note: {method} is below {'; '.join(parts[:MAX_METRICS])}{more}")
    return lines
