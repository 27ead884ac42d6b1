"""What `recbench baselines` does, and what `eval` puts on the board beside a trained run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from recbench import settings
from recbench.baselines.base import BASELINES, INSTALL, FitSettings, prefixed
from recbench.data.dataset import Dataset, find_prepared
from recbench.data.prepared_folder import read_manifest
from recbench.errors import RecbenchError, UsageError, unknown
from recbench.evaluation.dialects import Asked
from recbench.evaluation.metric import Request, RowMetric, TopKMetric
from recbench.memory import available
from recbench.registry import BASELINE
from recbench.results import leaderboard
from recbench.results.leaderboard_rows import LeaderboardRow, collect_rows
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.results.user_contributions import MetricKey
from recbench.run.evaluate import Candidates, Outcome, evaluate_run
from recbench.run.fit_baseline import fit_run
from recbench.run.model import owned
from recbench.run.session import requested, say

ALWAYS = "popularity"  # costs next to nothing, so that `eval` sees to it
NAMED = 6  # metrics in a note


@dataclass(frozen=True)
class BaselineRequest:
    """The words of a `baselines` command that say what is fitted."""

    dataset: str | None  # None: the most recently prepared
    feedback: tuple[str, ...]  # none: all
    only: tuple[str, ...]  # none: all
    seeds: tuple[int, ...]
    settings: tuple[str, ...]  # "item-knn.k=50"


@dataclass(frozen=True)
class Terms:
    """The words of a command that say how the test rows are scored; the same as for trained runs."""

    metrics: tuple[str, ...] = ()
    candidates: Candidates = "catalogue"
    keep_seen: bool = False
    dialect: str | None = None

    def requests(self) -> list[Request | Asked]:
        """Return the metrics that baselines have."""
        return [request for request in requested(self.metrics, self.dialect) if _has(request)]

    def words(self) -> list[str]:
        """Return them as they are typed."""
        words = [word for metric in self.metrics for word in ("--metric", metric)]
        words += [] if self.candidates == "catalogue" else ["--candidates", self.candidates]
        words += ["--keep-seen"] if self.keep_seen else []
        return words + ([] if self.dialect is None else ["--dialect", self.dialect])


def run_all(order: BaselineRequest, terms: Terms, store: Store, console: Console, command: str) -> list[Outcome]:
    """Fit the baselines that are not on record, compute the metrics of all and keep them.

    One that lacks a library, or memory for this dataset, is left out with a line that says so. Raises UsageError for
    whatever does not exist, and if nothing is left.
    """
    names = _chosen(order.only)
    values = _resolved(names, order.settings)
    data = Dataset.load(find_prepared(order.dataset))
    feedback = data.narrow(order.feedback).feedback if order.feedback else data.feedback
    requests = _spelled_out(terms, feedback)
    for name in (name for request in requests for name in (request.feedback, request.by) if name is not None):
        if name not in feedback:
            raise unknown("feedback of these baselines", name, feedback)
    chosen = "" if order.dataset else " (the most recently prepared)"
    say(console, f"dataset {data.name}/{data.split}{chosen}")
    left_out = [str(one) for one in requested(terms.metrics, terms.dialect) if not _has(one)]
    if left_out:
        say(console, f"note: {', '.join(left_out)} left out: baselines give scores alone, no probabilities or vectors")
    skipped = _skipped(names, values, data, len(feedback))
    if len(skipped) == len(names):
        raise UsageError("; ".join(dict.fromkeys(skipped.values())))
    for reason in dict.fromkeys(skipped.values()):
        say(console, f"note: {reason}")
    outcomes = []
    for name in names:
        if name in skipped:
            continue
        seeds = order.seeds if BASELINES.get(name).seeded else (0,)
        of_all = data.feedback if name == ALWAYS else feedback
        for seed in seeds:
            key = _key(name, (data.name, data.split, data.fingerprint), of_all, values[name], seed)
            outcomes.append(_outcome(_on_record(key, store), data, requests, terms, store, console, command))
    leaderboard.write_markdown(store)
    return outcomes


def add_popularity_row(outcomes: Sequence[Outcome], terms: Terms, store: Store, console: Console, command: str) -> None:
    """See to it that popularity is on the board under the metrics of trained runs, and say what they are below of.

    A failure is a note: the runs themselves have been evaluated.
    """
    trained: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        key = outcome.record.key
        if key.backbone != BASELINE:
            trained.setdefault(key.place, []).append(outcome)
    for place, group in trained.items():
        try:
            _see_to_popularity(place, group, terms, store, console, command)
        except RecbenchError as error:
            say(console, f"note: {ALWAYS} is not beside it: {error}")
        rows = [row for row in collect_rows(store, place[0]) if _place(row) in _places(group)]
        for line in _below(rows, {outcome.record.key.digest for outcome in group}):
            say(console, line)
        present = {row.loss for row in rows if row.backbone == BASELINE}
        absent = [name for name in BASELINES.names() if name not in present]
        if absent:
            words = ["recbench", "baselines", "--dataset", f"{place[0]}/{place[1]}", *terms.words()]
            say(console, f"hint: `{shlex.join(words)}` puts {' and '.join(absent)} beside it")


def _see_to_popularity(
    place: tuple[str, str, str], group: Sequence[Outcome], terms: Terms, store: Store, console: Console, command: str
) -> None:
    folder = find_prepared(f"{place[0]}/{place[1]}")
    key = _key(ALWAYS, place, tuple(read_manifest(folder)["feedback"]), _resolved([ALWAYS], ())[ALWAYS], 0)
    known: set[MetricKey] = set()
    if key in store:
        known = {(v.metric, v.feedback, v.signature) for one in store.evaluations(key) for v in one.values}
    requests = _spelled_out(terms, tuple(dict.fromkeys(name for one in group for name in one.record.key.feedback)))
    names = {str(replace(request, feedback=None)) for request in requests}
    if all(wanted in known for wanted in _places(group) if wanted[0] in names):
        return
    _outcome(key, Dataset.load(folder), requests, terms, store, console, command)
    leaderboard.write_markdown(store)


def _outcome(
    key: RunKey,
    data: Dataset,
    requests: Sequence[Request | Asked],
    terms: Terms,
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
        return evaluate_run(
            record,
            store,
            requests,  # type: ignore[arg-type]
            candidates=terms.candidates,
            keep_seen=terms.keep_seen,
            fitted=fitted,
        )


def _chosen(only: Sequence[str]) -> list[str]:
    """Return the baselines to fit, popularity first; raises UsageError for one that does not exist."""
    names = list(dict.fromkeys(BASELINES.get(name).name for name in only)) or BASELINES.names()
    return sorted(names, key=lambda name: name != ALWAYS)


def _resolved(names: Sequence[str], words: Sequence[str]) -> dict[str, dict[str, settings.Value]]:
    """Return all settings of each baseline by full name, having tried them."""
    given = settings.split_words(list(words), (*names, "train"))
    rows = settings.resolve(FitSettings, "train", given["train"])
    found = {}
    for name in names:
        own = settings.resolve(BASELINES.get(name), name, given[name])
        BASELINES.get(name)(**own)
        found[name] = prefixed(name, own, rows)
    return found


def _skipped(
    names: Sequence[str], values: Mapping[str, Mapping[str, settings.Value]], data: Dataset, tasks: int
) -> dict[str, str]:
    """Return why a baseline cannot be fitted, for those that cannot."""
    reasons = {name: BASELINES.get(name).missing() for name in names}
    without = {name: modules for name, modules in reasons.items() if modules}
    listed = ", ".join(dict.fromkeys(module for modules in without.values() for module in modules))
    skipped = {name: f"{', '.join(without)} left out: {listed} is not installed; run `{INSTALL}`" for name in without}
    limit = available() // 2
    pairs = int(data.train.label.count_nonzero(0).max())
    for name in names:
        cls = BASELINES.get(name)
        need = tasks * cls(**owned(values[name], name)).memory(len(data.users), len(data.items), pairs)
        if name not in skipped and need > limit:
            saving = f"; lower {name}.{cls.size} with --set" if cls.size else ""
            skipped[name] = (
                f"{name} left out: it takes about {need / 2**30:.1f} GiB, more than half of the memory "
                f"({limit / 2**30:.1f} GiB){saving}"
            )
    return skipped


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


def _spelled_out(terms: Terms, feedback: Sequence[str]) -> list[Request | Asked]:
    """Return a request per metric and kind of feedback; raises UsageError if baselines have none of the metrics."""
    found = [
        replace(request, feedback=name)
        for request in terms.requests()
        for name in ([request.feedback] if request.feedback else feedback)
    ]
    if not found:
        raise UsageError("baselines give scores alone, and these metrics need more; choose auc instead")
    return found


def _has(request: Request | Asked) -> bool:
    """Whether scores are enough for the metric: baselines have no probabilities, and no vectors worth a look."""
    if isinstance(request, Asked):
        return not request.rule.needs_probability
    definition = request.definition
    return isinstance(definition, TopKMetric) or isinstance(definition, RowMetric) and not definition.needs_probability


def _place(row: LeaderboardRow) -> MetricKey:
    return row.metric, row.feedback, row.signature


def _places(outcomes: Iterable[Outcome]) -> set[MetricKey]:
    return {(value.metric, value.feedback, value.signature) for outcome in outcomes for value in outcome.values}


def _below(rows: Iterable[LeaderboardRow], runs: set[str]) -> list[str]:
    """Return a line per method that a baseline beats."""
    beaten: dict[str, dict[tuple[str, str], list[str]]] = {}
    for row in rows:
        if row.below and runs & set(row.runs):
            columns = beaten.setdefault(row.method.name, {})
            columns.setdefault((row.below, row.metric), []).append(row.feedback)
    lines = []
    for name, columns in beaten.items():
        found = [f"{baseline} in {metric} of {', '.join(of)}" for (baseline, metric), of in columns.items()]
        more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
        lines.append(f"note: {name} is below {'; '.join(found[:NAMED])}{more}")
    return lines
