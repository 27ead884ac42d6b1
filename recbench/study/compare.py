"""`recbench compare`: is one method better than another, or is it the users and the seeds?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.errors import UsageError
from recbench.evaluation.statistics import LEVEL, POWER, Difference, compare, interval
from recbench.results.marks import paired_samples
from recbench.results.record import RunKey, RunRecord
from recbench.results.store import Store
from recbench.results.user_contributions import MetricKey, UserContributions, read_contributions

LISTED = 6  # methods that a word may mean
Runs = Mapping[str, Mapping[MetricKey, UserContributions]]  # digest → what its users add


@dataclass(frozen=True)
class Method:
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


def methods(words: Sequence[str], store: Store, dataset: str | None = None) -> list[Method]:
    """Return what each word names: the first digits of a run, for its seeds too, or LOSS or LOSS/BACKBONE.

    Only on `dataset` (DATASET or DATASET/SPLIT), if given. Raises UsageError where a word fits no method, or several
    with different settings or data.
    """
    groups: dict[str, list[RunRecord]] = {}
    waiting = []
    for record, evaluations in store.runs():
        key = record.key
        if dataset not in (None, key.dataset, key.data):
            continue
        if evaluations:
            groups.setdefault(key.group, []).append(record)
        else:
            waiting.append(key)
    return [_method(word, groups, waiting) for word in words]


def compare_methods(chosen: Sequence[Method], metrics: Sequence[str], store: Store) -> list[Comparison]:
    """Compare the methods under each metric, default: all that every run of them was evaluated with.

    Raises UsageError if they have no metric of one definition in common.
    """
    if len({method.keys[0].group for method in chosen}) < 2:
        raise UsageError("expected at least two methods; `recbench leaderboard` names them")
    found = {
        key.digest: read_contributions(store.folder(key), store.warnings) for method in chosen for key in method.keys
    }
    common = [place for place in next(iter(found.values())) if all(place in places for places in found.values())]
    wanted = [place for place in common if not metrics or any(_fits(place, word) for word in metrics)]
    if not wanted:
        names = " ".join(f"--run {key.digest}" for method in chosen for key in method.keys)
        said = " ".join(f"--metric {word}" for word in metrics or ("auc",))
        without = [digest for digest, places in found.items() if not places]
        reason = (
            f"what single users add is not kept with {', '.join(without)}, as in records that were passed on"
            if without
            else "these runs have no such metric of one definition in common"
        )
        raise UsageError(f"{reason}; run `recbench eval {names} {said}` where their data and weights are")
    return [_comparison(place, chosen, found) for place in wanted]


def table(found: Sequence[Comparison]) -> RenderableType:
    """Return the comparisons for a rich console."""
    parts: list[RenderableType] = []
    for one in found:
        parts.append(Text(f"{one.metric} of {one.feedback}, {one.users:,} users", style="bold"))
        means = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        letters = dict(zip(one.values, ascii_uppercase, strict=False))
        for name, value in one.values.items():
            low, high = one.intervals[name]
            seeds = f"{one.seeds[name]} seed{'s' if one.seeds[name] > 1 else ''}"
            means.add_row(letters.get(name, ""), Text(name), f"{value:.4f}", Text(f"[{low:.4f}, {high:.4f}]"), seeds)
        pairs = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        pairs.add_column("pair", overflow="fold")
        for column in ("difference", f"{LEVEL:.0%} interval", "p (Holm)", "shows"):
            pairs.add_column(column, justify="right", no_wrap=True)
        pairs.add_column("verdict")
        for difference in one.differences:
            pairs.add_row(
                Text(" - ".join(letters.get(name, name) for name in (difference.first, difference.second))),
                f"{difference.value:+.4f}",
                Text(f"[{difference.low:+.4f}, {difference.high:+.4f}]"),
                f"{difference.corrected:.4f}",
                f"{difference.detectable:.4f}",
                Text("real", "green") if difference.real else Text("not shown", "yellow"),
            )
        parts += [means, Text(), pairs, Text(one.signature, style="dim"), Text()]
    said = (
        f"real: p below {1 - LEVEL:.2f} after Holm's correction over the pairs of one metric and feedback, not over "
        f"metrics; shows: the smallest true difference that these users and seeds would show {POWER:.0%} of the time"
    )
    return Group(*parts, Text(said, style="dim"))


def _method(word: str, groups: Mapping[str, Sequence[RunRecord]], waiting: Sequence[RunKey]) -> Method:
    by_digest = [runs for runs in groups.values() if any(run.key.digest.startswith(word) for run in runs)]
    fitting = by_digest or [runs for runs in groups.values() if runs[0].key.is_method(word)]
    if not fitting:
        trained = [key.digest for key in waiting if key.digest.startswith(word) or key.is_method(word)]
        if trained:
            names = " ".join(f"--run {digest}" for digest in trained)
            raise UsageError(f"{word}: trained but not evaluated; run `recbench eval {names}`")
        raise UsageError(f"{word}: no evaluated run or method of that name; `recbench leaderboard` shows what there is")
    if len(fitting) > 1:
        listed = "; ".join(f"{runs[0].key.digest} ({_in_full(runs[0])})" for runs in fitting[:LISTED])
        more = f"; and {len(fitting) - LISTED} more on `recbench leaderboard`" if len(fitting) > LISTED else ""
        raise UsageError(f"{word} fits {len(fitting)} methods; name one by a run: {listed}{more}")
    runs = sorted(fitting[0], key=lambda run: run.key.seed)
    return Method(_label(runs[0]), tuple(run.key for run in runs))


def _label(run: RunRecord) -> str:
    settings = [f"{name.partition('.')[2]}={value}" for name, value in run.non_default.items()]
    settings = [word for word in settings if word.partition("=")[0] in ("logit", "scale", "pos_weight")]
    return " ".join([f"{run.key.loss} × {run.key.backbone}", *settings])


def _in_full(run: RunRecord) -> str:
    settings = [f"{name}={value}" for name, value in run.non_default.items()]
    return " ".join([f"on {run.key.data} {','.join(run.key.feedback)}", *settings])


def _fits(place: MetricKey, word: str) -> bool:
    from recbench.evaluation.request import parse  # which loads torch

    asked = parse(word).feedback
    bare = word.replace(f"/{asked}", "") if asked else word
    return place[0] == bare and asked in (None, place[1])


def _comparison(place: MetricKey, chosen: Sequence[Method], found: Runs) -> Comparison:
    names = _distinct([method.name for method in chosen])
    runs = {name: [key.digest for key in method.keys] for name, method in zip(names, chosen, strict=True)}
    samples = paired_samples(place, runs, found)
    return Comparison(
        metric=place[0],
        feedback=place[1],
        signature=place[2],
        values={sample.name: sample.value for sample in samples},
        intervals={sample.name: interval(sample) for sample in samples},
        seeds={name: len(digests) for name, digests in runs.items()},
        users=samples[0].numerator.shape[1],
        differences=compare(samples),
    )


def _distinct(names: Iterable[str]) -> list[str]:
    """Return the names, equal ones numbered."""
    names = list(names)
    return [name if names.count(name) == 1 else f"{name} ({place + 1})" for place, name in enumerate(names)]
