"""`--launcher local`: runs are trained in this process, or in several on this machine."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType

import torch
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import TrainingError
from recbench.results.record import RunKey
from recbench.run.evaluate import load_dataset
from recbench.study.launchers.base import A, Finished, Function, Launcher, R, S, Work
from recbench.study.launchers.in_this_process import attempt, attempt_all, groups_of
from recbench.training.model import pick_device


@contextmanager
def launch(work: Work, data: Dataset, console: Console) -> Iterator[Launcher]:
    """Open a launcher for the runs on one dataset: this process for one job, else that many processes.

    On an exception, Ctrl-C included, the processes are ended; their runs resume after the last finished epoch when
    they are launched again.
    """
    jobs = work.launch.jobs or 1
    if jobs == 1:
        yield partial(train_in_order, work=work, data=data, console=console)
        return
    with _processes(jobs) as pool:
        yield partial(train_by_pool, work=work, pool=pool, jobs=jobs)


def call_each(
    function: Function[A, S, R], arguments: Sequence[A], shared: S, work: Work, console: Console
) -> Iterator[tuple[int, R | str]]:
    """Yield the number of each argument with what a function returns for it; see `base.call_each`.

    Raises TrainingError if a process ends by itself.
    """
    jobs = min(work.launch.jobs or 1, len(arguments))
    if jobs == 1:
        yield from ((number, function(argument, shared)) for number, argument in enumerate(arguments))
        return
    with _processes(jobs) as pool:
        with ignore_sigint():
            numbers = {pool.submit(function, argument, shared): number for number, argument in enumerate(arguments)}
        for future in as_completed(numbers):
            yield numbers[future], _result(future)


class _Process(SpawnProcess):
    """A process that does not run the script which started it, as `spawn` would: all that it calls is recbench's."""

    def start(self) -> None:
        """Start while the main module seems to be of no file."""
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _Spawning(SpawnContext):
    """How the pool starts its processes."""

    Process = _Process


@contextmanager
def _processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes that share the threads of this one, and are ended on an exception."""
    threads = max(1, torch.get_num_threads() // jobs)
    pool = ProcessPoolExecutor(jobs, _Spawning(), _start_worker, (threads,))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            process.terminate()
        raise
    pool.shutdown()


def _result(future: Future[R]) -> R:
    try:
        return future.result()
    except BrokenProcessPool:
        raise TrainingError(
            "a process was ended from outside, perhaps for want of memory; type the same command to continue, with "
            "fewer --jobs"
        ) from None


def train_in_order(keys: Sequence[RunKey], work: Work, data: Dataset, console: Console) -> Iterator[Finished]:
    """Train one run after the other, or up to `work.lanes` side by side, those that another process trains last."""

    def load(key: RunKey) -> Dataset:
        return data

    taken = []
    for group in groups_of(keys, work.lanes, at_once=1):
        for key, finished in attempt_all(group, work, load, wait=False, console=console):
            if finished is None:
                taken.append(key)
            else:
                yield finished
    for key in taken:
        finished = attempt(key, work, load, wait=True)
        if finished is not None:
            yield finished


def train_by_pool(keys: Sequence[RunKey], work: Work, pool: ProcessPoolExecutor, jobs: int) -> Iterator[Finished]:
    """Train as many runs at a time as there are jobs, or in each process of the pool up to `work.lanes` side by side.

    Raises TrainingError if a process ends by itself.
    """
    with ignore_sigint():
        groups = groups_of(keys, work.lanes, jobs)
        pending = {pool.submit(_attempt_here, group, work, wait=False) for group in groups}
    while pending:
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            pending.remove(future)
            for key, finished in _result(future):
                if finished is not None:
                    yield finished
                else:
                    pending.add(pool.submit(_attempt_here, [key], work, wait=True))


_loaded: dict[str, Dataset] = {}  # by fingerprint, in a process of the pool


def _attempt_here(keys: list[RunKey], work: Work, *, wait: bool) -> list[tuple[RunKey, Finished | None]]:
    def load(key: RunKey) -> Dataset:
        if key.fingerprint not in _loaded:
            _loaded[key.fingerprint] = load_dataset(key, pick_device(work.device))
        return _loaded[key.fingerprint]

    return list(attempt_all(keys, work, load, wait=wait))


def _start_worker(threads: int) -> None:
    """Prepare a process of the pool: its share of the threads, and its end when the parent ends."""
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def ignore_sigint() -> Iterator[None]:
    """Let processes start that ignore Ctrl-C: the parent, which hears it too, ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
