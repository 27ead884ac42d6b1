"""The search for a baseline's settings: hill climbing on validation, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from recbench import settings
from recbench.baselines.base import BASELINES, Size, complete, defaults, recorded, restore
from recbench.data.dataset import Dataset
from recbench.memory import available
from recbench.results import sweeps
from recbench.results.record import RunKey, RunRecord, now
from recbench.results.store import Store
from recbench.results.sweeps import Sweep, Trial
from recbench.run.fit_baseline import fit_run, has_time

Point = Mapping[str, settings.Value]  # settings by full name
KIND = "climb"  # of search, in its file


def climb(
    start: Point, space: Mapping[str, Sequence[settings.Value]], measure: Callable[[Point], float | None]
) -> tuple[Point, float | None]:
    """Return the best point found and its value, moving along one setting at a time while that raises the value.

    `space` holds the values of each setting to try, ascending; `measure` returns None where it will not go, and for
    whatever it is asked after that if its budget is spent.
    """
    best, value = start, measure(start)
    moved = value is not None
    while moved:
        moved = False
        for setting, values in space.items():
            for step in (1, -1):
                steps = 0
                while (further := _neighbour(best[setting], values, step)) is not None:
                    point = {**best, setting: further}
                    reached = measure(point)
                    if reached is None or value is None or reached <= value:
                        break
                    best, value, moved, steps = point, reached, True, steps + 1
                if steps:
                    break  # what lies on the other side has been left behind
    return best, value


def _neighbour(value: settings.Value, values: Sequence[settings.Value], step: int) -> settings.Value | None:
    """Return the next value above (step 1) or below (step -1), None at the end."""
    beyond = [other for other in values if (other > value if step > 0 else other < value)]  # type: ignore[operator]
    return beyond[0 if step > 0 else -1] if beyond else None


def memory_needed(key: RunKey, data: Dataset) -> int:
    """Return about how many bytes a run takes at once, all of its kinds of feedback together."""
    baseline = restore(key.loss, key.settings)
    columns = [data.feedback.index(name) for name in key.feedback]
    sizes = [Size.of(data.positives_of(data.train, column), len(data.items)) for column in columns]
    return len(sizes) * max(baseline.memory(size) for size in sizes)


def memory_limit() -> int:
    """Return the bytes that a baseline may take: half of the machine's."""
    return available() // 2


def _fit_trials(
    key: RunKey,
    space: Mapping[str, Sequence[settings.Value]],
    data: Dataset,
    store: Store,
    budget: float,
    command: str,
) -> list[tuple[Point, RunRecord]]:
    """Fit runs to train rows alone, from that of `key` on and as long as the budget lasts; return the best first."""
    finished: dict[str, tuple[Point, RunRecord]] = {}
    started, longest = time.monotonic(), 0.0

    def measure(point: Point) -> float | None:
        """Return what a run reaches on validation; None if it takes too much memory, or more time than is left."""
        nonlocal longest
        trial = replace(key, settings=recorded(key.loss, point))
        if trial.digest not in finished:
            if trial not in store:
                began = time.monotonic()
                if finished and began + longest > started + budget:
                    return None
                if memory_needed(trial, data) > memory_limit():
                    return None
                fit_run(trial, data.narrow(trial.feedback), store, command)
                longest = max(longest, time.monotonic() - began)
            finished[trial.digest] = point, store.record(trial)
        return finished[trial.digest][1].valid

    climb(complete(key.loss, key.settings), space, measure)
    return sorted(finished.values(), key=lambda trial: -trial[1].valid)


def search(
    key: RunKey, given: Collection[str], data: Dataset, store: Store, budget: float, command: str
) -> tuple[RunKey, Sweep]:
    """Return the key of the best run on validation that was found within `budget` seconds, and the whole search.

    It starts at `key`, of which the settings `given` by full name are not searched. Trials are ordinary runs of the
    store, fitted to train rows alone; what the search found is kept as a sweep, so that the same search is not made
    twice. The key returned has the `train.refit` of `key`. The test rows are not read.
    """
    refit = key.settings["train.refit"]
    first = replace(key, settings={**key.settings, "train.refit": False})
    searched = {f"{key.loss}.{setting}": values for setting, values in BASELINES.get(key.loss).search.items()}
    fixed = {*given} if has_time(data) else {*given, f"{key.loss}.recent"}
    space = {setting: values for setting, values in searched.items() if setting not in fixed}
    aim = _sweep(first, space, budget, command, [])
    if (store.root / "sweeps" / f"{aim.digest}.json").exists():
        sweep = sweeps.find(store, aim.digest)
        best = store.find(sweep.trials[0].runs[0]).key.settings
    else:
        ranked = _fit_trials(first, space, data, store, budget, command)
        sweep = _sweep(first, space, budget, command, ranked)
        best = ranked[0][1].key.settings
        sweeps.write(store, sweep)
    return replace(key, settings={**best, "train.refit": refit}), sweep


def _sweep(
    key: RunKey,
    space: Mapping[str, Sequence[settings.Value]],
    budget: float,
    command: str,
    ranked: Sequence[tuple[Point, RunRecord]],
) -> Sweep:
    """Return a search in the form of other sweeps; `ranked` are its trials, the best first."""
    usual = defaults(key.loss)
    words = [settings.typed_words({name: point[name] for name in space}) for point, _ in ranked]
    best = [
        word
        for point, _ in ranked[:1]
        for word in settings.typed_words({k: v for k, v in point.items() if v != usual[k]})
    ]
    fit = ["recbench baselines --only", key.loss, "--dataset", key.data, "--budget 0"]
    return Sweep(
        title=f"{key.loss} on {key.data}",
        groups={key.loss: key.group},
        grid=[f"{name}={','.join(map(settings.typed, values))}" for name, values in space.items()],
        search=KIND,
        count=round(budget),
        seeds=[key.seed],
        trials=[
            Trial(key.loss, searched, [record.key.digest], record.select, record.valid, None, record.seconds)
            for searched, (_, record) in zip(words, ranked, strict=True)
        ],
        best={key.loss: best},
        commands={key.loss: " ".join([*fit, *(f"--set {word}" for word in best)])},
        command=command,
        finished=now(),
    )
