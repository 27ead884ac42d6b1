"""`--launcher slurm`: runs are jobs of an array, whose nodes share this machine's data and results on a common disk."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import submitit
import torch
from rich.console import Console
from submitit.core.utils import FailedJobError, UncompletedJobError
from submitit.helpers import Checkpointable

from recbench.data.dataset import Dataset
from recbench.errors import TrainingError, UsageError
from recbench.results.code_version import versions
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.run.evaluate import load_dataset
from recbench.study.launchers.base import A, Failed, Finished, Function, Launcher, LaunchOptions, R, S, Work, minutes
from recbench.study.launchers.in_this_process import attempt_all, groups_of
from recbench.study.launchers.remote_run import version_conflict
from recbench.terminal import print_line
from recbench.training.train import is_complete

FOLDER = "slurm"  # in that of the results: what jobs are given, return and print
CLUSTER = "slurm"  # of submitit; tests put its "local" here
LOOK_EVERY = 5.0  # seconds between looks for what has finished
LOOKS = 3  # in a row at which a job has left the queue without a result, before it counts as dead: disks are late
MOST_JOBS = 1000  # of an array: Slurm's own limit unless an administrator has changed it
MOST_DEATHS = 5  # of jobs of one run
MOST_TIMEOUTS = 20  # of one run, each of which goes on after its last finished epoch
YEAR = 365 * 24 * 60  # minutes: the time of a job where a partition has no limit

T = TypeVar("T")


class Job(Checkpointable):  # type: ignore[misc]
    """Calls a function. Slurm's time limit and preemption requeue it: it is called again, and the runs in it resume."""

    def __init__(self, function: Callable[[], Any], threads: int) -> None:
        self.function, self.threads = function, threads

    def __call__(self) -> Any:
        """Return what the function returns."""
        torch.set_num_threads(self.threads)
        return self.function()


class Jobs(Generic[T]):
    """Jobs of Slurm that have not ended, each with what it is for."""

    def __init__(self, folder: Path, options: LaunchOptions) -> None:
        self.executor = _executor(folder, options)
        self.threads = options.resources.threads
        self.running: dict[Any, T] = {}
        self.missed: Counter[Any] = Counter()  # looks in a row at which a job was neither in the queue nor had a result

    def submit(self, functions: Sequence[tuple[Callable[[], Any], T]]) -> None:
        """Submit functions to call, each with what it is for, as arrays of jobs.

        Raises TrainingError if Slurm does not take them.
        """
        for start in range(0, len(functions), MOST_JOBS):
            some = functions[start : start + MOST_JOBS]
            try:
                with self.executor.batch():
                    jobs = [self.executor.submit(Job(function, self.threads)) for function, _ in some]
            except FailedJobError as error:
                raise TrainingError(
                    f"Slurm did not take the jobs ({_last_line(str(error))}); `sinfo` says whether it answers and what "
                    "its partitions give"
                ) from None
            self.running |= zip(jobs, (what for _, what in some), strict=True)

    def ended(self) -> Iterator[tuple[Any, T]]:
        """Yield jobs as they end, with what they are for, until there is none; more may be submitted meanwhile."""
        while self.running:
            done = self._done()
            for job in done:
                yield job, self.running.pop(job)
            if not done:
                time.sleep(LOOK_EVERY)

    def cancel(self) -> None:
        """Cancel the jobs that have not ended."""
        for job in self.running:
            job.cancel(check=False)
        self.running.clear()

    def _done(self) -> list[Any]:
        """Return the jobs that have left a result, or the queue without one."""
        with_result = [job for job in self.running if job.paths.result_pickle.exists()]
        queue = in_queue()
        if queue is None:  # Slurm does not answer; it may be restarting
            return with_result
        missing = {job for job in self.running if job not in with_result and job.job_id not in queue}
        self.missed = Counter({job: self.missed[job] + 1 for job in missing})
        return with_result + [job for job, looks in self.missed.items() if looks >= LOOKS]


class JobReply(NamedTuple):
    """What an ended job has said."""

    value: Any = None  # what its call returned
    failed: str = ""  # why there is none, in one line
    died: bool = False  # without a word


def reply_of(job: Any) -> JobReply:
    """Return what an ended job has said."""
    if not job.paths.result_pickle.exists():
        return JobReply(failed=f"its job ended early {MOST_DEATHS} times; see {job.paths.stderr}", died=True)
    try:
        return JobReply(job.result())
    except (UncompletedJobError, FailedJobError) as error:  # what the call raised
        return JobReply(failed=f"{_last_line(str(error))}; see {job.paths.stderr}")


def _last_line(trace: str) -> str:
    """Return the last line of a traceback, which submitit puts between dashes and words on where the files are."""
    lines = [line.strip() for line in trace.partition("You can check full logs")[0].splitlines()]
    return next((line for line in reversed(lines) if line.strip("-")), "no reason given")


def _executor(folder: Path, options: LaunchOptions) -> Any:
    """Return what submits jobs; raises UsageError for what Slurm cannot be asked for."""
    per_run = options.resources
    if not float(per_run.cpus).is_integer() or not float(per_run.gpus).is_integer():
        raise UsageError(f"--per-run {options.per_run}: Slurm gives whole processors and GPUs")
    if CLUSTER == "slurm" and shutil.which("srun") is None:
        raise UsageError("--launcher slurm: no srun on this machine; type the command on a login node")
    slurm, usual = {}, YEAR
    if CLUSTER == "slurm":
        slurm, usual = {"slurm_max_num_timeout": MOST_TIMEOUTS}, _usual_minutes(options.partition)
    executor = submitit.AutoExecutor(folder, cluster=CLUSTER, **slurm)
    wanted = {
        "name": "recbench",
        "cpus_per_task": int(per_run.cpus),
        "gpus_per_node": int(per_run.gpus) or None,
        "mem_gb": None if per_run.memory is None else per_run.memory / 2**30,
        "timeout_min": usual if options.time_limit is None else minutes(options.time_limit),
        "slurm_partition": options.partition,
        "slurm_array_parallelism": options.jobs,
    }
    executor.update_parameters(**{name: value for name, value in wanted.items() if value is not None})
    return executor


def in_queue() -> set[str] | None:
    """Return the ids of the jobs of this user that wait or run, or None if Slurm does not answer.

    Asked of the queue, since submitit asks the accounting, which a small cluster lacks, and that every ten minutes.
    """
    command = ["squeue", "--me", "--noheader", "--array", "--format=%A %F_%K"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        return None
    return {name for line in answer.stdout.splitlines() for name in line.split()}


def _usual_minutes(partition: str | None) -> int:
    """Return the time that a partition gives to a job which asks for none; submitit would ask for 5 minutes.

    Raises UsageError for a partition that Slurm does not have.
    """
    command = ["sinfo", "--noheader", "--format=%P|%L|%l"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    times = {name: words for name, *words in (line.split("|") for line in answer.stdout.splitlines())}
    usual = next((name for name in times if name.endswith("*")), "")  # marks the default
    if partition is not None and times and not {partition, f"{partition}*"} & set(times):
        names = ", ".join(name.rstrip("*") for name in times)
        raise UsageError(f"--partition {partition}: Slurm has none of this name, but {names}")
    words = times.get(usual if partition is None else partition) or times.get(f"{partition}*", [])
    return next((found for found in map(_clock_minutes, words) if found), YEAR)


def _clock_minutes(word: str) -> int:
    """Return the minutes of 1-02:03:04, 2:03:04 or 3:04, as Slurm prints times, and 0 for other words."""
    match = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):\d\d", word)
    days, hours, rest = (int(group or 0) for group in match.groups()) if match else (0, 0, 0)
    return (days * 24 + hours) * 60 + rest


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
