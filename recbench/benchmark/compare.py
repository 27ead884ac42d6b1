"""`recbench compare`: is one method better than another, or is it the users and the seeds?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.benchmark.plan import non_default
from recbench.errors import UsageError
from recbench.evaluation.metric import parse
from recbench.evaluation.statistics import LEVEL, POWER, Difference, compare, interval
from recbench.results.marks import samples_of
from recbench.results.parts import Place, UserParts, read
from recbench.results.record import RunKey
from recbench.results.store import Store

Runs = Mapping[str, Mapping[Place, UserParts]]  # digest → what its users add


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


def methods(words: Sequence[str], store: Store) -> list[Method]:
    """Return what each word names: the first digits of a run, for its seeds too, or LOSS or LOSS/BACKBONE.

    Raises UsageError where a word fits no method, or several with different settings or data.
    """
    groups: dict[str, list[RunKey]] = {}
    for record, evaluations in store.runs():
        if evaluations:
            groups.setdefault(record.key.group, []).append(record.key)
    return [_method(word, groups) for word in words]


def compare_methods(chosen: Sequence[Method], metrics: Sequence[str], store: Store) -> list[Comparison]:
    """Compare the methods under each metric, default: all that every run of them was evaluated with.

    Raises UsageError if they have no metric of one definition in common.
    """
    if len({method.keys[0].group for method in chosen}) < 2:
        raise UsageError("expected at least two methods; `recbench leaderboard` names them")
    found = {key.digest: read(store, key) for method in chosen for key in method.keys}
    asked = [parse(word) for word in metrics]
    common = [place for place in next(iter(found.values())) if all(place in places for places in found.values())]
    wanted = [place for place in common if not asked or any(_fits(place, request) for request in asked)]
    if not wanted:
        names = " ".join(f"--run {key.digest}" for method in chosen for key in method.keys)
        said = " ".join(f"--metric {word}" for word in metrics or ("auc",))
        raise UsageError(
            f"these runs have no such metric of one definition in common; run `recbench eval {names} {said}`"
        )
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
        pairs.add_column("")
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
    said = f"shows: the smallest true difference that these users and seeds would show {POWER:.0%} of the time"
    return Group(*parts, Text(said, style="dim"))


def _method(word: str, groups: Mapping[str, Sequence[RunKey]]) -> Method:
    loss, _, backbone = word.partition("/")
    by_digest = [keys for keys in groups.values() if any(key.digest.startswith(word) for key in keys)]
    by_name = [keys for keys in groups.values() if keys[0].loss == loss and backbone in ("", keys[0].backbone)]
    fitting = by_digest or by_name
    if not fitting:
        raise UsageError(f"{word}: no evaluated run or method of that name; `recbench leaderboard` shows what there is")
    if len(fitting) > 1:
        listed = "; ".join(f"{keys[0].digest} ({_label(keys[0])})" for keys in fitting[:6])
        raise UsageError(f"{word} fits {len(fitting)} methods; name one by a run: {listed}")
    keys = sorted(fitting[0], key=lambda key: key.seed)
    return Method(_label(keys[0]), tuple(keys))


def _label(key: RunKey) -> str:
    try:
        settings = [f"{name.partition('.')[2]}={value}" for name, value in non_default(key).items()]
    except UsageError:  # a loss of the user's own that is not imported now
        settings = []
    settings = [word for word in settings if word.partition("=")[0] in ("logit", "scale", "pos_weight")]
    return " ".join([f"{key.loss} × {key.backbone}", *settings])


def _fits(place: Place, request: object) -> bool:
    asked = parse(str(request))
    feedback = asked.feedback
    bare = str(request).replace(f"/{feedback}", "") if feedback else str(request)
    return place[0] == bare and feedback in (None, place[1])


def _comparison(place: Place, chosen: Sequence[Method], found: Runs) -> Comparison:
    names = _distinct([method.name for method in chosen])
    runs = {name: [key.digest for key in method.keys] for name, method in zip(names, chosen, strict=True)}
    samples = samples_of(place, runs, found)
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
