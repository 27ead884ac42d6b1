"""Jobs of Slurm, submitted by submitit: what they ask for, and when and how they end."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import submitit
import torch
from submitit.core.utils import FailedJobError, UncompletedJobError
from submitit.helpers import Checkpointable

from recbench.errors import TrainingError, UsageError
from recbench.study.launchers.base import LaunchOptions, minutes

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
