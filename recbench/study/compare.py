"""`recbench compare`: is one method better than another, or is it the users and the seeds?"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from string import ascii_uppercase

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.baselines.base import BASELINES
from recbench.errors import UsageError, counted, first_few
from recbench.evaluation.statistics import LEVEL, POWER, Difference, compare, interval
from recbench.results.marks import Contributions, paired_samples
from recbench.results.number_table import NumberTable
from recbench.results.record import RunKey, RunRecord, short_name
from recbench.results.run_words import MethodWord
from recbench.results.store import Store
from recbench.results.user_contributions import MetricKey, read_contributions
from recbench.run.how_to_train import train_again
from recbench.settings import Value, typed_words
from recbench.training.plan import defaults
from recbench.training.train import is_complete

MAX_RUNS = 6  # in a message
MAX_METHODS = 3  # of those that a word may mean, in a message
OF_METHOD = (
    "sampler",
    "balance",
    "logit",
    "scale",
    "pos_weight",
    "row_weights",
)  # settings that stand beside a method's name


@dataclass(frozen=True)
class ComparedMethod:
    """Runs that differ in their seed alone."""

    name: str
    keys: tuple[RunKey, ...]


@dataclass(frozen=True)
class Comparison:
    """All pairs of methods under one metric of one feedback."""

    metric: str
    feedback: str
    signature: str
    values: dict[str, float]  # method → mean over seeds
    intervals: dict[str, tuple[float, float]]
    seeds: dict[str, int]
    users: int
    differences: list[Difference]


def methods(words: Sequence[str], store: Store, dataset: str | None = None) -> list[ComparedMethod]:
    """Return what each word names, see `Store.named`: of evaluated runs, with all seeds of the settings it means.

    Only on `dataset` (DATASET or DATASET/SPLIT), if given. Raises UsageError where a word fits no method, or several
    with different settings, and where the words name runs on different data.
    """
    groups: dict[str, list[RunRecord]] = {}
    hidden = frozenset(store.labels.hidden)
    for record, evaluations in store.runs():
        digest = record.key.digest
        if digest in hidden and not any(digest.startswith(word) for word in words):
            continue
        if evaluations and record.key.is_on(dataset):
            groups.setdefault(record.key.group, []).append(record)
    chosen = [_method(word, store, groups, dataset) for word in words]
    data = {method.keys[0].place: method for method in chosen}
    if len(data) > 1:
        listed = first_few([f"{method.name} on {method.keys[0].data}" for method in data.values()])
        raise UsageError(f"numbers on different data do not compare: {listed}; {_how_to_compare(words, store, groups)}")
    return chosen


def compare_methods(chosen: Sequence[ComparedMethod], metrics: Sequence[str], store: Store) -> list[Comparison]:
    """Compare the methods under each metric, default: all that every run of them was evaluated with.

    A method that several words name, as runs of its seeds, is compared once.
    Raises UsageError if they have no metric of one definition in common.
    """
    if len({method.keys[0].group for method in chosen}) < 2:
        reason = (
            "only one method is named" if len(chosen) < 2 else f"all words name {chosen[0].name} with equal settings"
        )
        raise UsageError(f"{reason}; name another to compare it with: `recbench leaderboard` shows what there is")
    chosen = list({method.keys[0].group: method for method in chosen}.values())
    contributions = {
        key.digest: read_contributions(store.folder(key), store.warnings) for method in chosen for key in method.keys
    }
    first = next(iter(contributions.values()))
    common = [metric for metric in first if all(metric in of_run for of_run in contributions.values())]
    wanted = [metric for metric in common if not metrics or any(_fits(metric, word) for word in metrics)]
    if not wanted:
        raise _nothing_in_common(chosen, contributions, metrics, store)
    return [_comparison(metric, chosen, contributions) for metric in wanted]


def table(comparisons: Sequence[Comparison]) -> RenderableType:
    """Return the comparisons for a rich console."""
    parts: list[RenderableType] = []
    for comparison in comparisons:
        letters = dict(zip(comparison.values, ascii_uppercase, strict=False))
        parts.append(
            Text(f"{comparison.metric} of {comparison.feedback}, {comparison.users:,} test users", style="bold")
        )
        parts += [_means(comparison, letters), Text(), _pairs(comparison, letters)]
        parts += [Text(comparison.signature, style="dim"), Text()]
    notes = [
        f"different: p below {1 - LEVEL:.2f} after Holm's correction over the pairs of one metric and feedback, not "
        "over metrics",
        f"detectable: the smallest true difference that so many users and seeds would show {POWER:.0%} of the time",
    ]
    if any(difference.over == "users" for comparison in comparisons for difference in comparison.differences):
        notes.append(
            "*: one of the two has one seed, which says nothing of how much its runs differ; interval and p leave that "
            "out, and another seed may turn the verdict. Train it with --seeds 5"
        )
    return Group(*parts, *(Text(note, style="dim") for note in notes))


def _means(comparison: Comparison, letters: Mapping[str, str]) -> Table:
    means = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in comparison.values.items():
        low, high = comparison.intervals[name]
        seeds = counted(comparison.seeds[name], "seed")
        means.add_row(letters.get(name, ""), Text(name), f"{value:.4f}", Text(f"[{low:.4f}, {high:.4f}]"), seeds)
    return means


def _pairs(comparison: Comparison, letters: Mapping[str, str]) -> NumberTable:
    pairs = NumberTable()
    pairs.add_column("pair", overflow="fold")
    for column in ("difference", f"{LEVEL:.0%} interval", "p (Holm)", "detectable"):
        pairs.add_column(column, justify="right", no_wrap=True)
    pairs.add_column("verdict")
    for difference in comparison.differences:
        verdict = "different" if difference.real else "not shown"
        pairs.add_row(
            Text(" - ".join(letters.get(name, name) for name in (difference.first, difference.second))),
            f"{difference.value:+.4f}",
            Text(f"[{difference.low:+.4f}, {difference.high:+.4f}]"),
            f"{difference.corrected:.4f}",
            f"{difference.detectable:.4f}",
            Text(
                verdict if difference.over == "users and runs" else f"{verdict} *",
                "green" if difference.real else "yellow",
            ),
        )
    return pairs


def _method(word: str, store: Store, groups: Mapping[str, Sequence[RunRecord]], dataset: str | None) -> ComparedMethod:
    """Return the method that a word names among the evaluated runs, by group."""
    try:
        named = store.named(word, dataset=dataset, evaluated=True)
    except UsageError:
        named = store.named(word, dataset=dataset)  # which says why there is none, if there is none at all
    fitting = [groups[group] for group in dict.fromkeys(run.key.group for run in named) if group in groups]
    if not fitting:
        raise UsageError(_not_evaluated(word, named))
    if len(fitting) > 1:
        firsts = [runs[0] for runs in fitting]
        names = [_word_for(run, firsts, MethodWord.of(word).settings) for run in firsts[:MAX_METHODS]]
        more = f" and {len(fitting) - MAX_METHODS} more" if len(fitting) > MAX_METHODS else ""
        listed_by = shlex.join(["recbench", "runs", word, *(() if dataset is None else ("--dataset", dataset))])
        raise UsageError(
            f"{word} fits {len(fitting)} methods; name one of them: {', '.join(names)}{more} "
            f"(`{listed_by}` shows their settings)"
        )
    runs = sorted(fitting[0], key=lambda run: run.key.seed)
    return ComparedMethod(_label(runs[0]), tuple(run.key for run in runs))


def _how_to_compare(words: Sequence[str], store: Store, groups: Mapping[str, Sequence[RunRecord]]) -> str:
    """Return the advice to name data on which all words have evaluated runs, or to train where there are none."""
    data = [
        {run.key.data for run in store.named(word, evaluated=True, on_all_data=True) if run.key.group in groups}
        for word in words
    ]
    common = sorted(set.intersection(*data))
    return f"add --dataset {' or '.join(common)}" if common else "train and evaluate all on the same data"


def _word_for(run: RunRecord, others: Sequence[RunRecord], given: Sequence[str]) -> str:
    """Return what names a run's method and none of the others: the settings given and one or two more, or digits."""
    usual = _usual(run.key)
    own = {**usual, **run.key.settings}
    differing = [
        short_name(name)
        for name in own
        if any({**usual, **other.key.settings}.get(name) != own[name] for other in others if other.key != run.key)
    ]
    words = typed_words({short_name(name): value for name, value in own.items() if short_name(name) in differing})
    for count in (0, 1, 2):
        for settings in combinations(words, count):
            word = "+".join([f"{run.key.loss}/{run.key.backbone}", *given, *settings])
            if [other for other in others if MethodWord.of(word).fits(other)] == [run]:
                return shlex.quote(word)
    return run.key.digest


def _usual(key: RunKey) -> Mapping[str, Value]:
    """Return the defaults of a method; none where they are in a file of the user's, which nobody imported here."""
    try:
        return defaults(key.loss, key.backbone)
    except UsageError:
        return {}


def _not_evaluated(word: str, trained: Sequence[RunRecord]) -> str:
    few = len(trained) <= MAX_RUNS
    options = [f"--run {run.key.digest}" for run in trained] if few else [f"--run {word}"]
    options += [f"--import {file}" for file in sorted({file for run in trained for file in run.imports})]
    return f"{word}: trained but not evaluated; run `recbench eval {' '.join(options)}`"


def _label(run: RunRecord) -> str:
    settings = {short_name(name): value for name, value in run.non_default.items()}
    return " ".join([run.key.method, *typed_words({name: settings[name] for name in settings if name in OF_METHOD})])


def _fits(metric: MetricKey, word: str) -> bool:
    from recbench.evaluation.request import parse  # which loads torch

    feedback = parse(word).feedback
    bare = word.replace(f"/{feedback}", "") if feedback else word
    return metric[0] == bare and feedback in (None, metric[1])


def _nothing_in_common(
    chosen: Sequence[ComparedMethod],
    contributions: Mapping[str, Contributions],
    metrics: Sequence[str],
    store: Store,
) -> UsageError:
    without = [digest for digest, of_run in contributions.items() if not of_run]
    reason = (
        "the scores of single users, which this compares, are not kept here with "
        + first_few([method.name for method in chosen if any(key.digest in without for key in method.keys)])
        + ": they are not committed with records"
        if without
        else "there is no such metric that all of these runs were evaluated by under one definition"
    )
    evaluations = (done for method in chosen for key in method.keys for done in store.evaluations(key))
    measured = dict.fromkeys(value.metric for done in evaluations for value in done.values)
    lost = [method.keys for method in chosen if not _has_weights(method, store)]
    commands = [train_again(keys, store.record(keys[0]).imports) for keys in lost]
    runs = [word for digest in without or contributions for word in ("--run", digest)]
    commands += [
        shlex.join(["recbench", "eval", *runs, "--metric", ",".join(metrics or measured or ("auc",)), "--no-baselines"])
    ]
    return UsageError(f"{reason}; run {', then '.join(f'`{command}`' for command in commands)}")


def _has_weights(method: ComparedMethod, store: Store) -> bool:
    return method.keys[0].is_baseline or all(is_complete(key, store) for key in method.keys)


def _comparison(
    metric: MetricKey, chosen: Sequence[ComparedMethod], contributions: Mapping[str, Contributions]
) -> Comparison:
    names = _distinct([method.name for method in chosen])
    keys = {name: method.keys for name, method in zip(names, chosen, strict=True)}
    deterministic = {name for name, of_method in keys.items() if is_deterministic(of_method[0])}
    runs = {name: {key.digest: key.seed for key in of_method} for name, of_method in keys.items()}
    samples = paired_samples(metric, runs, contributions, deterministic)
    return Comparison(
        metric=metric[0],
        feedback=metric[1],
        signature=metric[2],
        values={sample.name: sample.value for sample in samples},
        intervals={sample.name: interval(sample) for sample in samples},
        seeds={name: len(of_method) for name, of_method in runs.items()},
        users=samples[0].numerator.shape[1],
        differences=compare(samples),
    )


def is_deterministic(key: RunKey) -> bool:
    """Return whether another seed would change nothing, as of most baselines."""
    return key.is_baseline and key.loss in BASELINES.names() and not BASELINES.get(key.loss).seeded


def _distinct(names: Iterable[str]) -> list[str]:
    """Return the names, equal ones numbered."""
    names = list(names)
    return [name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names, 1)]
