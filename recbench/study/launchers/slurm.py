"""`--launcher slurm`: runs are jobs of an array, whose nodes share this machine's data and results on a common disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any

from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import TrainingError
from recbench.results.code_version import versions
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.run.evaluate import load_dataset
from recbench.study.launchers.base import A, Failed, Finished, Function, Launcher, R, S, Work
from recbench.study.launchers.in_this_process import attempt_all, groups_of
from recbench.study.launchers.remote_run import version_conflict
from recbench.study.launchers.slurm_jobs import MOST_DEATHS, Jobs, reply_of
from recbench.terminal import print_line
from recbench.training.train import is_complete

FOLDER = "slurm"  # in that of the results: what jobs are given, return and print


@contextmanager
def launch(work: Work, data: Dataset, console: Console) -> Iterator[Launcher]:
    """Yield a launcher of job arrays; on an exception, Ctrl-C included, all their jobs are cancelled."""
    launcher = OnSlurm(work, console)
    try:
        yield launcher.run
    finally:
        launcher.jobs.cancel()


def call_each(
    function: Function[A, S, R], arguments: Sequence[A], shared: S, work: Work, console: Console
) -> Iterator[tuple[int, R | str]]:
    """Yield the number of each argument with what a function returns for it; see `base.call_each`."""
    jobs: Jobs[int] = Jobs(work.results.resolve() / FOLDER, work.launch)
    deaths: Counter[int] = Counter()

    def submit(numbers: Iterable[int]) -> None:
        jobs.submit([(partial(_call, function, arguments[number], shared, versions()), number) for number in numbers])

    try:
        submit(range(len(arguments)))
        for job, number in jobs.ended():
            reply = reply_of(job)
            deaths[number] += reply.died
            if reply.died and deaths[number] < MOST_DEATHS:
                print_line(console, f"  job {job.job_id} ended early; it is submitted again")
                submit([number])
            else:
                yield number, reply.value if not reply.failed else reply.failed
    finally:
        jobs.cancel()


def _call(function: Function[A, S, R], argument: A, shared: S, wanted: Mapping[str, str]) -> R:
    """Call a function on a node; raises TrainingError if it has other versions than those wanted."""
    different = version_conflict(wanted)
    if different:
        raise TrainingError(f"a node has {different}; install the same on all nodes")
    return function(argument, shared)


class OnSlurm:
    """Trains runs as job arrays. The nodes write to the store themselves, so its folder must be on a common disk."""

    def __init__(self, work: Work, console: Console) -> None:
        self.work = replace(work, results=work.results.resolve())
        self.store = Store(self.work.results)
        self.console = console
        self.jobs: Jobs[list[RunKey]] = Jobs(self.store.root / FOLDER, work.launch)

    def run(self, keys: Sequence[RunKey]) -> Iterator[Finished]:
        """Yield every run as its job finishes.

        What a job has not done that ends without a word, as where its node fails, is submitted again, at most
        MOST_DEATHS times.
        """
        deaths: Counter[str] = Counter()
        at_once = self.work.launch.jobs or 1  # as far as is known
        self._submit(groups_of(keys, self.work.lanes, at_once))
        for job, group in self.jobs.ended():
            ended = self._ended(job, group, deaths)
            yield from (finished for _, finished in ended if finished is not None)
            again = [key for key, finished in ended if finished is None]
            if again:
                self._submit([again])

    def _submit(self, groups: Sequence[list[RunKey]]) -> None:
        self.jobs.submit([(partial(_train, group, self.work, versions()), group) for group in groups])

    def _ended(self, job: Any, keys: Sequence[RunKey], deaths: Counter[str]) -> list[tuple[RunKey, Finished | None]]:
        """Return how the runs of a job ended, None for those to submit again; `deaths` counts these."""
        reply = reply_of(job)
        ended: list[tuple[RunKey, Finished | None]] = []
        for key in keys:
            finished: Finished | None = None
            if is_complete(key, self.store):
                finished = self.store.record(key)
            elif not reply.died:
                finished = Failed(key, reply.failed or reply.value.get(key.digest, "its job ended without a record"))
            else:
                deaths[key.digest] += 1
                if deaths[key.digest] == MOST_DEATHS:
                    finished = Failed(key, reply.failed)
                else:
                    print_line(self.console, f"  job {job.job_id} ended early; {key.title} is submitted again")
            ended.append((key, finished))
        return ended


def _train(keys: Sequence[RunKey], work: Work, wanted: Mapping[str, str]) -> dict[str, str]:
    """Train runs on a node into the store; return why there is no record, by the digests of those that have none."""
    different = version_conflict(wanted)
    if different:
        return {key.digest: f"a node has {different}" for key in keys}
    data = cache(lambda: load_dataset(keys[0], work.device))
    ended = attempt_all(keys, work, lambda key: data(), wait=True)
    return {key.digest: finished.reason for key, finished in ended if isinstance(finished, Failed)}
