"""Runs that are trained side by side in one process, where they can be, else one after the other."""

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
from recbench.training.train import Saved, Training, is_complete, locked

Load = Callable[[RunKey], Dataset]
Attempt = Callable[[RunKey], Finished | None]


class Bundle:
    """Runs that may be alike, see `bundles`; `attempt` trains one of them alone, None if another process does."""

    def __init__(
        self,
        keys: Sequence[RunKey],
        work: Work,
        load: Load,
        attempt: Attempt,
        console: Console,
        saved: Saved | None = None,
    ) -> None:
        self.store = Store(work.results)
        self.complete = [key for key in keys if is_complete(key, self.store)]
        self.keys = [key for key in keys if key not in self.complete]
        self.work, self.load, self.attempt, self.console, self.saved = work, load, attempt, console, saved

    def run(self) -> Iterator[tuple[RunKey, Finished | None]]:
        """Yield every run as it ends, with None those that another process is training."""
        for key in self.complete:
            yield key, self.store.record(key)
        if not self.keys:
            return
        try:
            most = self._most()
        except (RuntimeError, RecbenchError):  # the first may be of a step, as where memory is too small
            most = 1  # each says itself what is wrong with it
        if most == 1:
            for key in self.keys:
                yield key, self.attempt(key)
            return
        for start in range(0, len(self.keys), most):
            yield from self._together(self.keys[start : start + most])

    def _most(self) -> int:
        """Return how many of the runs can train side by side, by the first of them."""
        key = self.keys[0]
        if len(self.keys) == 1:
            return 1
        import_recorded(counted_paths(self.work.imports, key.sources), key.sources)
        training = Training(key, self.load(key).narrow(key.feedback))
        training.model.start_epoch(1)
        size, device = training.schedule.batch_size, training.data.train.user.device
        batch = next(training.model.loss.sampler.batches(training.data, size, generator_of(key.seed, 1, device)))
        reason = why_alone(training.model, batch)
        if reason is not None:
            print_line(self.console, f"  {len(self.keys)} runs of {key.method} one after the other: {reason}")
            return 1
        return most_in_memory(training.model, batch)

    def _together(self, keys: Sequence[RunKey]) -> Iterator[tuple[RunKey, Finished | None]]:
        """Train runs in groups of those that are alike; what is found to differ begins the next group."""
        data = self.load(keys[0]).narrow(keys[0].feedback)
        group: list[Lane] = []
        with ExitStack() as locks:
            for key in keys:
                try:
                    locks.enter_context(locked(self.store.folder(key), self.console, wait=False))
                    if is_complete(key, self.store):
                        yield key, self.store.record(key)
                        continue
                    lane = Lane(key, data, self.store, self.saved, self.work.track)
                except Timeout:
                    yield key, None
                except RecbenchError as error:
                    yield key, Failed(key, str(error))
                else:
                    if group and difference(group[0].model, lane.model) is not None:
                        yield from self._train(group)
                        group = []
                    group.append(lane)
            yield from self._train(group)

    def _train(self, group: Sequence[Lane]) -> Iterator[tuple[RunKey, Finished]]:
        left = {lane.key.digest: lane.key for lane in group}
        try:
            imports = list(self.work.imports)
            for lane in train_lanes(group, self.store, self.console, imports=imports, command=self.work.command):
                del left[lane.key.digest]
                yield lane.key, Failed(lane.key, in_words(lane.error)) if lane.error else self.store.record(lane.key)
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
