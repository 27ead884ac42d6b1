"""What `recbench baselines` does: search the settings of each baseline, fit it, evaluate it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from recbench import settings
from recbench.baselines.base import BASELINES, INSTALL, FitSettings, complete, recorded
from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared, how_found
from recbench.errors import UsageError, counted, require_known
from recbench.evaluation.request import Request
from recbench.registry import BASELINE, imported_file
from recbench.results import leaderboard
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.run.baseline_search import memory_limit, memory_needed, search
from recbench.run.eval_command import EvalRequest
from recbench.run.evaluate import EvaluatedRun, evaluate_run
from recbench.run.fit_baseline import fit_run
from recbench.run.invocation import Invocation
from recbench.terminal import print_line

WORTH_SAYING = 1 << 30  # bytes of memory
LONGEST = 10**7  # seconds of a search
POPULARITY = "popularity"  # costs next to nothing, so that every `eval` adds it


@dataclass(frozen=True)
class BaselineRequest:
    """The options of a `baselines` command that say what is fitted; raises UsageError for a budget of no seconds."""

    dataset: str | None  # None: the most recently prepared
    feedback: tuple[str, ...]  # none: all
    only: tuple[str, ...]  # none: all
    seeds: tuple[int, ...]
    settings: tuple[str, ...]  # "item-knn.k=50"; these are not searched
    budget: float = 0.0  # seconds for the search of each baseline's settings; 0: none

    def __post_init__(self) -> None:
        if not 0 <= self.budget <= LONGEST:
            raise UsageError(f"--budget {self.budget}: expected seconds from 0 to {LONGEST:,}")


@dataclass(frozen=True)
class BaselinePlan:
    """What a `baselines` command does, once it is known what there is."""

    request: BaselineRequest
    evaluation: EvalRequest
    data: Dataset
    names: tuple[str, ...]  # baselines that can be fitted, popularity first
    values: Mapping[str, Mapping[str, settings.Value]]  # all settings of each, by full name
    feedback: tuple[str, ...]  # to which they are fitted
    metrics: tuple[Request, ...]


def run_baselines(
    request: BaselineRequest, evaluation: EvalRequest, invocation: Invocation, data: Dataset | None = None
) -> list[EvaluatedRun]:
    """Fit the baselines that are not on record, compute the metrics of all and keep them.

    `data` is the dataset of the request, for who has read it already. Raises UsageError as `plan_baselines` does.
    """
    plan = plan_baselines(request, evaluation, invocation.console, data)
    outcomes = [outcome for name in plan.names for outcome in run_baseline(name, plan, invocation)]
    leaderboard.write_markdown(invocation.store)
    return outcomes


def plan_baselines(
    request: BaselineRequest, evaluation: EvalRequest, console: Console, data: Dataset | None = None
) -> BaselinePlan:
    """Return what a request asks for.

    A baseline that lacks a library, or memory for this dataset, is left out with a line that says so. Raises
    UsageError for whatever does not exist, and if nothing is left.
    """
    names = _baseline_names(request.only)
    values = resolved_settings(names, request.settings)
    data = data or Dataset.load(find_prepared(request.dataset))
    feedback = data.narrow(request.feedback).feedback if request.feedback else data.feedback
    metrics = requests_for(evaluation, feedback)
    named = (name for metric in metrics for name in (metric.feedback, metric.by))
    require_known("feedback of these baselines", named, feedback)
    print_line(console, f"dataset {how_found(request.dataset, data.folder)}")
    left_out = [str(metric) for metric in evaluation.parsed() if not needs_only_scores(metric)]
    if left_out:
        print_line(
            console, f"note: {', '.join(left_out)} left out: baselines give scores alone, no probabilities or vectors"
        )
    reasons = _reasons_to_skip(names, values, data, feedback)
    if len(reasons) == len(names):
        raise UsageError("; ".join(dict.fromkeys(reasons.values())))
    for reason in dict.fromkeys(reasons.values()):
        print_line(console, f"note: {reason}")
    fitting = tuple(name for name in names if name not in reasons)
    return BaselinePlan(request, evaluation, data, fitting, values, feedback, tuple(metrics))


def run_baseline(name: str, plan: BaselinePlan, invocation: Invocation) -> list[EvaluatedRun]:
    """Search the settings of one baseline, fit it with every seed and evaluate it; what is on record is not fitted."""
    request, data = plan.request, plan.data
    seeds = request.seeds if BASELINES.get(name).seeded else (0,)
    fitted_to = data.feedback if name == POPULARITY else plan.feedback
    first = baseline_key(name, data.place, fitted_to, plan.values[name], seeds[0])
    need = memory_needed(first, data)
    if need > WORTH_SAYING:
        print_line(invocation.console, f"{name} takes about {need / 2**30:.1f} GiB of memory")
    if request.budget:
        first = _searched(first, request, data, invocation)
    keys = [_on_record(replace(first, seed=seed), invocation.store) for seed in seeds]
    return [fit_and_evaluate(key, data, plan.metrics, plan.evaluation, invocation) for key in keys]


def _searched(key: RunKey, request: BaselineRequest, data: Dataset, invocation: Invocation) -> RunKey:
    """Return the key of the best settings that the search finds, and say what it found."""
    given = {word.partition("=")[0] for word in request.settings}
    with invocation.console.status(f"searching the settings of {key.loss}"):
        best, sweep = search(key, given, data, invocation.store, request.budget, invocation.command)
    valid, trials = sweep.trials[0].valid, counted(len(sweep.trials), "trial")
    found = ", ".join(sweep.best[key.loss]) or "the defaults"
    print_line(
        invocation.console, f"{key.loss}: {trials}, validation {sweep.trials[0].select} {valid:.4f} with {found}"
    )
    return best


def fit_and_evaluate(
    key: RunKey, data: Dataset, metrics: Sequence[Request], evaluation: EvalRequest, invocation: Invocation
) -> EvaluatedRun:
    """Fit a baseline, unless it is on record, and evaluate it."""
    store = invocation.store
    with invocation.console.status(f"fitting and evaluating {key.loss}, seed {key.seed}"):
        if key in store:
            record, fitted = store.record(key), None
        else:
            record, fitted = fit_run(key, data.narrow(key.feedback), store, invocation.command)
        return evaluate_run(record, store, metrics, evaluation, fitted, data)


def _baseline_names(only: Sequence[str]) -> list[str]:
    """Return the baselines to fit, popularity first; raises UsageError for one that does not exist."""
    names = list(dict.fromkeys(BASELINES.get(name).name for name in only)) or BASELINES.names()
    return sorted(names, key=lambda name: name != POPULARITY)


def resolved_settings(names: Sequence[str], words: Sequence[str]) -> dict[str, dict[str, settings.Value]]:
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
    names: Sequence[str], values: Mapping[str, Mapping[str, settings.Value]], data: Dataset, feedback: tuple[str, ...]
) -> dict[str, str]:
    """Return why a baseline cannot be fitted, for those that cannot."""
    missing = {name: modules for name in names if (modules := BASELINES.get(name).missing())}
    listed = ", ".join(dict.fromkeys(module for modules in missing.values() for module in modules))
    reasons = {name: f"{', '.join(missing)} left out: {listed} is not installed; run `{INSTALL}`" for name in missing}
    limit = memory_limit()
    for name in names:
        cls = BASELINES.get(name)
        key = baseline_key(name, data.place, feedback, values[name], 0)
        need = memory_needed(key, data)
        if complete(name, values[name])["train.row_weights"] and not cls.weighs_rows:
            reasons.setdefault(name, f"{name} left out: it has no place for weights of rows (train.row_weights=true)")
        if data.new_test_users and not cls.scores_new_users:
            reasons.setdefault(name, f"{name} left out: it cannot score users that have no training rows")
        elif name not in reasons and need > limit:
            saving = f"; {cls.saving}" if cls.saving else ""
            reasons[name] = (
                f"{name} left out: it takes about {need / 2**30:.1f} GiB, more than half of the memory "
                f"({limit / 2**30:.1f} GiB){saving}"
            )
    return reasons


def baseline_key(
    name: str, place: tuple[str, str, str], feedback: tuple[str, ...], values: Mapping[str, settings.Value], seed: int
) -> RunKey:
    """Return the key of a baseline with these settings, by full name, at a place: dataset, split, fingerprint."""
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
        sources={path.name: digest for path, digest in imported_file(BASELINES.get(name)).items()},
    )


def _on_record(key: RunKey, store: Store) -> RunKey:
    """Return the key of a recorded run that covers this one: the same but for more kinds of feedback."""
    for record, _ in store.runs() if key not in store else ():
        same = replace(record.key, feedback=key.feedback) == key
        if same and set(key.feedback) <= set(record.key.feedback):
            return record.key
    return key


def requests_for(evaluation: EvalRequest, feedback: Sequence[str]) -> list[Request]:
    """Return a request per metric and kind of feedback; raises UsageError if baselines have none of the metrics."""
    requests = [
        replace(request, feedback=name)
        for request in evaluation.parsed()
        if needs_only_scores(request)
        for name in ([request.feedback] if request.feedback else feedback)
    ]
    if not requests:
        raise UsageError("baselines give scores alone, and these metrics need more; choose auc instead")
    return requests


def needs_only_scores(request: Request) -> bool:
    """Whether scores are enough for the metric: baselines have no probabilities, and no vectors worth a look."""
    return not request.metric.needs & {"probability", "vectors"}
