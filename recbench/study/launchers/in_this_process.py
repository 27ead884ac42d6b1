"""Runs that are trained in this process: side by side where they can be, else one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from filelock import Timeout
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import RecbenchError
from recbench.own_files import counted_paths
from recbench.registry import import_recorded, line_of
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.study.launchers.base import Failed, Finished, Work
from recbench.terminal import print_line
from recbench.training.bundling import bundles, difference, most_in_memory, why_alone
from recbench.training.epoch import generator_of
from recbench.training.lanes import Lane, train_lanes
from recbench.training.train import Saved, Training, is_complete, locked, train

Load = Callable[[RunKey], Dataset]
Ended = Iterator[tuple[RunKey, Finished | None]]  # runs as they end, None for those that another process is training


def attempt(key: RunKey, work: Work, load: Load, *, wait: bool, saved: Saved | None = None) -> Finished | None:
    """Train one run to its record, or return the record it has; `saved` is told of each checkpoint.

    Where another process is training it, wait for its record, or without `wait` return None.
    """
    store = Store(work.results)
    try:
        if is_complete(key, store):
            return store.record(key)
        import_recorded(counted_paths(work.imports, key.sources), key.sources)
        training = Training(key, load(key).narrow(key.feedback), saved, work.track)
        silent = Console(quiet=True, force_terminal=False)
        return train(training, store, silent, imports=list(work.imports), command=work.command, wait=wait)
    except Timeout:
        return None
    except Exception as error:  # whatever is wrong with one run, the others continue
        return Failed(key, in_words(error))


def attempt_all(
    keys: Sequence[RunKey],
    work: Work,
    load: Load,
    *,
    wait: bool,
    saved: Saved | None = None,
    console: Console | None = None,
) -> Ended:
    """Train runs that may be alike side by side where they can be, and yield each with how it ended, as `attempt` does.

    The console is told why they cannot, and how far they are.
    """

    def alone(key: RunKey) -> Finished | None:
        return attempt(key, work, load, wait=wait, saved=saved)

    if len(keys) == 1:
        yield keys[0], alone(keys[0])
        return
    store, console = Store(work.results), console or Console(quiet=True)
    left = [key for key in keys if not is_complete(key, store)]
    yield from ((key, store.record(key)) for key in keys if key not in left)
    most = _most_side_by_side(left, work, load, console)
    if most == 1:
        yield from ((key, alone(key)) for key in left)
        return
    for start in range(0, len(left), most):
        yield from _side_by_side(left[start : start + most], work, load, console, saved)


def _most_side_by_side(keys: Sequence[RunKey], work: Work, load: Load, console: Console) -> int:
    """Return how many of the runs can train side by side, by the first of them."""
    if len(keys) < 2:
        return 1
    key = keys[0]
    try:
        import_recorded(counted_paths(work.imports, key.sources), key.sources)
        training = Training(key, load(key).narrow(key.feedback))
        training.model.start_epoch(1)
        size, device = training.schedule.batch_size, training.data.train.user.device
        batch = next(training.model.loss.sampler.batches(training.data, size, generator_of(key.seed, 1, device)))
        reason = why_alone(training.model, batch)
        if reason is None:
            return most_in_memory(training.model, batch)
    except (RuntimeError, RecbenchError):  # the first may be of a step, as where memory is too small
        return 1  # each says itself what is wrong with it
    print_line(console, f"  {len(keys)} runs of {key.method} one after the other: {reason}")
    return 1


def _side_by_side(keys: Sequence[RunKey], work: Work, load: Load, console: Console, saved: Saved | None) -> Ended:
    """Train runs in groups of those that are alike; what is found to differ begins the next group."""
    store, data = Store(work.results), load(keys[0]).narrow(keys[0].feedback)
    group: list[Lane] = []
    with ExitStack() as locks:
        for key in keys:
            try:
                locks.enter_context(locked(store.folder(key), console, wait=False))
                if is_complete(key, store):
                    yield key, store.record(key)
                    continue
                lane = Lane(key, data, store, saved, work.track)
            except Timeout:
                yield key, None
            except RecbenchError as error:
                yield key, Failed(key, str(error))
            else:
                if group and difference(group[0].model, lane.model) is not None:
                    yield from _train_group(group, work, store, console)
                    group = []
                group.append(lane)
        yield from _train_group(group, work, store, console)


def _train_group(group: Sequence[Lane], work: Work, store: Store, console: Console) -> Ended:
    left = {lane.key.digest: lane.key for lane in group}
    try:
        for lane in train_lanes(group, store, console, imports=list(work.imports), command=work.command):
            del left[lane.key.digest]
            yield lane.key, Failed(lane.key, in_words(lane.error)) if lane.error else store.record(lane.key)
    except (RuntimeError, RecbenchError) as error:  # of a step of all of them
        for key in left.values():
            yield key, Failed(key, f"{in_words(error)}; try it with --lanes 1")


def groups_of(keys: Sequence[RunKey], lanes: int, at_once: int) -> list[list[RunKey]]:
    """Return runs in groups for a process each: alone, or up to `lanes` that may train side by side.

    Groups are small enough that there is one for each of the processes that work `at_once`.
    """
    if lanes == 1:
        return [[key] for key in keys]
    return bundles(keys, max(1, min(lanes, math.ceil(len(keys) / at_once))))


def in_words(error: Exception) -> str:
    """Return what went wrong with a run, in one line."""
    if isinstance(error, RecbenchError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}{line_of(error)}"
