"""What `recbench baselines` does, and how `eval` adds popularity to the leaderboard."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from recbench import settings
from recbench.baselines.base import BASELINES, INSTALL, FitSettings, Size, recorded, restore
from recbench.data.dataset import Dataset, find_prepared
from recbench.data.manifest_file import read_manifest
from recbench.errors import RecbenchError, UsageError, unknown
from recbench.evaluation.request import Request
from recbench.memory import available
from recbench.registry import BASELINE
from recbench.results import leaderboard
from recbench.results.leaderboard_rows import LeaderboardRow, collect_rows
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.results.user_contributions import MetricKey
from recbench.run.console import print_line
from recbench.run.eval_command import EvalRequest
from recbench.run.evaluate import Outcome, evaluate_run
from recbench.run.fit_baseline import fit_run

POPULARITY = "popularity"  # costs next to nothing, so that every `eval` adds it
LISTED = 6  # metrics in a note


@dataclass(frozen=True)
class BaselineRequest:
    """The options of a `baselines` command that say what is fitted."""

    dataset: str | None  # None: the most recently prepared
    feedback: tuple[str, ...]  # none: all
    only: tuple[str, ...]  # none: all
    seeds: tuple[int, ...]
    settings: tuple[str, ...]  # "item-knn.k=50"


def run_baselines(
    request: BaselineRequest, evaluation: EvalRequest, store: Store, console: Console, command: str
) -> list[Outcome]:
    """Fit the baselines that are not on record, compute the metrics of all and keep them.

    One that lacks a library, or memory for this dataset, is left out with a line that says so. Raises UsageError for
    whatever does not exist, and if nothing is left.
    """
    names = _baseline_names(request.only)
    values = _resolved(names, request.settings)
    data = Dataset.load(find_prepared(request.dataset))
    feedback = data.narrow(request.feedback).feedback if request.feedback else data.feedback
    metrics = _requests(evaluation, feedback)
    for name in (name for metric in metrics for name in (metric.feedback, metric.by) if name is not None):
        if name not in feedback:
            raise unknown("feedback of these baselines", name, feedback)
    default = "" if request.dataset else " (the most recently prepared)"
    print_line(console, f"dataset {data.name}/{data.split}{default}")
    left_out = [str(metric) for metric in evaluation.parsed() if not _needs_only_scores(metric)]
    if left_out:
        print_line(
            console, f"note: {', '.join(left_out)} left out: baselines give scores alone, no probabilities or vectors"
        )
    reasons = _reasons_to_skip(names, values, data, len(feedback))
    if len(reasons) == len(names):
        raise UsageError("; ".join(dict.fromkeys(reasons.values())))
    for reason in dict.fromkeys(reasons.values()):
        print_line(console, f"note: {reason}")
    outcomes = []
    for name in (name for name in names if name not in reasons):
        seeds = request.seeds if BASELINES.get(name).seeded else (0,)
        fitted_to = data.feedback if name == POPULARITY else feedback
        for seed in seeds:
            key = _key(name, (data.name, data.split, data.fingerprint), fitted_to, values[name], seed)
            outcomes.append(_outcome(_on_record(key, store), data, metrics, evaluation, store, console, command))
    leaderboard.write_markdown(store)
    return outcomes


def add_popularity_row(
    outcomes: Sequence[Outcome], evaluation: EvalRequest, store: Store, console: Console, command: str
) -> None:
    """Put popularity on the leaderboard under the metrics of trained runs, and say which runs score below a baseline.

    A failure is a note: the runs themselves have been evaluated.
    """
    trained: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        key = outcome.record.key
        if not key.is_baseline:
            trained.setdefault(key.place, []).append(outcome)
    for place, group in trained.items():
        try:
            _evaluate_popularity(place, group, evaluation, store, console, command)
        except RecbenchError as error:
            print_line(console, f"note: {POPULARITY} is not added to the leaderboard: {error}")
        rows = [row for row in collect_rows(store, place[0]) if _place(row) in _places(group)]
        for line in _notes_below(rows, {outcome.record.key.digest for outcome in group}):
            print_line(console, line)
        present = {row.loss for row in rows if row.backbone == BASELINE}
        absent = [name for name in BASELINES.names() if name not in present]
        if absent:
            words = ["recbench", "baselines", "--dataset", f"{place[0]}/{place[1]}", *_options(evaluation)]
            print_line(console, f"hint: `{shlex.join(words)}` adds {' and '.join(absent)} to the leaderboard")


def _options(evaluation: EvalRequest) -> list[str]:
    """Return the options of `recbench baselines` that ask for the same metrics."""
    words = [word for metric in evaluation.metrics for word in ("--metric", metric)]
    words += [] if evaluation.candidates == "catalogue" else ["--candidates", evaluation.candidates]
    words += ["--keep-seen"] if evaluation.keep_seen else []
    return words + ([] if evaluation.dialect is None else ["--dialect", evaluation.dialect])


def _evaluate_popularity(
    place: tuple[str, str, str],
    group: Sequence[Outcome],
    evaluation: EvalRequest,
    store: Store,
    console: Console,
    command: str,
) -> None:
    """Evaluate popularity under the metrics of these runs, unless that has been done."""
    folder = find_prepared(f"{place[0]}/{place[1]}")
    values = _resolved([POPULARITY], ())[POPULARITY]
    key = _key(POPULARITY, place, read_manifest(folder).feedback, values, 0)
    evaluated: set[MetricKey] = set()
    if key in store:
        evaluated = {(v.metric, v.feedback, v.signature) for done in store.evaluations(key) for v in done.values}
    feedback = tuple(dict.fromkeys(name for outcome in group for name in outcome.record.key.feedback))
    metrics = _requests(evaluation, feedback)
    names = {str(replace(metric, feedback=None)) for metric in metrics}
    if all(wanted in evaluated for wanted in _places(group) if wanted[0] in names):
        return
    _outcome(key, Dataset.load(folder), metrics, evaluation, store, console, command)
    leaderboard.write_markdown(store)


def _outcome(
    key: RunKey,
    data: Dataset,
    metrics: Sequence[Request],
    evaluation: EvalRequest,
    store: Store,
    console: Console,
    command: str,
) -> Outcome:
    """Fit a baseline, unless it is on record, and evaluate it."""
    with console.status(f"fitting and evaluating {key.loss}, seed {key.seed}"):
        if key in store:
            record, fitted = store.record(key), None
        else:
            record, fitted = fit_run(key, data.narrow(key.feedback), store, command)
        return evaluate_run(record, store, metrics, evaluation, fitted)


def _baseline_names(only: Sequence[str]) -> list[str]:
    """Return the baselines to fit, popularity first; raises UsageError for one that does not exist."""
    names = list(dict.fromkeys(BASELINES.get(name).name for name in only)) or BASELINES.names()
    return sorted(names, key=lambda name: name != POPULARITY)


def _resolved(names: Sequence[str], words: Sequence[str]) -> dict[str, dict[str, settings.Value]]:
    """Return all settings of each baseline by full name; raises UsageError for one that cannot be used."""
    given = settings.split_words(list(words), (*names, "train"))
    rows = settings.resolve(FitSettings, "train", given["train"])
    values = {}
    for name in names:
        own = settings.resolve(BASELINES.get(name), name, given[name])
        BASELINES.get(name)(**own)
        values[name] = recorded(name, settings.prefixed(name, own) | settings.prefixed("train", rows))
    return values


def _reasons_to_skip(
    names: Sequence[str], values: Mapping[str, Mapping[str, settings.Value]], data: Dataset, tasks: int
) -> dict[str, str]:
    """Return why a baseline cannot be fitted, for those that cannot."""
    missing = {name: modules for name in names if (modules := BASELINES.get(name).missing())}
    listed = ", ".join(dict.fromkeys(module for modules in missing.values() for module in modules))
    reasons = {name: f"{', '.join(missing)} left out: {listed} is not installed; run `{INSTALL}`" for name in missing}
    limit = available() // 2
    sizes = [Size.of(data.positives_of(data.train, column), len(data.items)) for column in range(len(data.feedback))]
    for name in names:
        cls = BASELINES.get(name)
        baseline = restore(name, values[name])
        need = tasks * max(baseline.memory(size) for size in sizes)
        if data.cold and not cls.scores_new_users:
            reasons.setdefault(name, f"{name} left out: it cannot score users that have no training rows")
        elif name not in reasons and need > limit:
            saving = f"; lower {name}.{cls.memory_setting} with --set" if cls.memory_setting else ""
            reasons[name] = (
                f"{name} left out: it takes about {need / 2**30:.1f} GiB, more than half of the memory "
                f"({limit / 2**30:.1f} GiB){saving}"
            )
    return reasons


def _key(
    name: str, place: tuple[str, str, str], feedback: tuple[str, ...], values: Mapping[str, settings.Value], seed: int
) -> RunKey:
    dataset, split, fingerprint = place
    return RunKey(
        dataset=dataset,
        split=split,
        fingerprint=fingerprint,
        feedback=feedback,
        loss=name,
        backbone=BASELINE,
        seed=seed,
        device="cpu",
        settings=values,
    )


def _on_record(key: RunKey, store: Store) -> RunKey:
    """Return the key of a recorded run that covers this one: the same but for more kinds of feedback."""
    for record, _ in store.runs() if key not in store else ():
        same = replace(record.key, feedback=key.feedback) == key
        if same and set(key.feedback) <= set(record.key.feedback):
            return record.key
    return key


def _requests(evaluation: EvalRequest, feedback: Sequence[str]) -> list[Request]:
    """Return a request per metric and kind of feedback; raises UsageError if baselines have none of the metrics."""
    requests = [
        replace(request, feedback=name)
        for request in evaluation.parsed()
        if _needs_only_scores(request)
        for name in ([request.feedback] if request.feedback else feedback)
    ]
    if not requests:
        raise UsageError("baselines give scores alone, and these metrics need more; choose auc instead")
    return requests


def _needs_only_scores(request: Request) -> bool:
    """Whether scores are enough for the metric: baselines have no probabilities, and no vectors worth a look."""
    return not request.metric.needs & {"probability", "vectors"}


def _place(row: LeaderboardRow) -> MetricKey:
    return row.metric, row.feedback, row.signature


def _places(outcomes: Iterable[Outcome]) -> set[MetricKey]:
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
        more = f"; and {len(parts) - LISTED} more" if len(parts) > LISTED else ""
        lines.append(f"note: {method} is below {'; '.join(parts[:LISTED])}{more}")
    return lines
