"""`--launcher slurm`: runs are jobs of an array, whose nodes share this machine's data and results on a common disk."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import submitit
import torch
from rich.console import Console
from submitit.core.utils import FailedJobError, UncompletedJobError
from submitit.helpers import Checkpointable

from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.results.code_version import versions
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.run.evaluate import load_dataset
from recbench.study.launchers.base import Failed, Finished, Launcher, LaunchOptions, Work
from recbench.study.launchers.local import attempt
from recbench.study.launchers.remote_run import version_conflict
from recbench.training.console import print_line
from recbench.training.train import is_complete

CLUSTER = "slurm"  # of submitit; tests put its "local" here
LOOK_EVERY = 5.0  # seconds between looks for what has finished
LOOKS = 3  # in a row at which a job has left the queue without a result, before it counts as dead: disks are late
MOST_JOBS = 1000  # of an array: Slurm's own limit unless an administrator has changed it
MOST_DEATHS = 5  # of jobs of one run
MOST_TIMEOUTS = 20  # of one run, each of which goes on after its last finished epoch
UNITS = {"m": 1, "h": 60, "d": 24 * 60}
LEAST_MINUTES = 5  # of a job, which is told of its end 90 seconds before, and by Slurm's clock up to a minute earlier
YEAR = 365 * 24 * 60  # minutes: the time of a job where a partition has no limit


@contextmanager
def launch(work: Work, data: Dataset, options: LaunchOptions, console: Console) -> Iterator[Launcher]:
    """Yield a launcher of job arrays; on an exception, Ctrl-C included, all their jobs are cancelled."""
    launcher = OnSlurm(work, options, console)
    try:
        yield launcher
    finally:
        launcher.cancel()


class OneRun(Checkpointable):  # type: ignore[misc]
    """A job: trains one run into the store. Slurm's time limit and preemption requeue it, and it resumes."""

    def __init__(self, key: RunKey, work: Work, threads: int, versions: dict[str, str]) -> None:
        self.key = key
        self.work = work
        self.threads = threads
        self.versions = versions

    def __call__(self) -> str:
        """Return why there is no record, "" if there is one."""
        different = version_conflict(self.versions)
        if different:
            return f"a node has {different}"
        torch.set_num_threads(self.threads)
        finished = attempt(self.key, self.work, lambda key: load_dataset(key, self.work.device), wait=True)
        return finished.reason if isinstance(finished, Failed) else ""


class OnSlurm:
    """Trains runs as job arrays. The nodes write to the store themselves, so its folder must be on a common disk."""

    def __init__(self, work: Work, options: LaunchOptions, console: Console) -> None:
        self.work = replace(work, results=work.results.resolve())
        self.store = Store(self.work.results)
        self.console = console
        self.threads = options.resources.threads
        self.jobs: dict[Any, RunKey] = {}
        self.missed: Counter[Any] = Counter()  # looks in a row at which a job was neither in the queue nor had a result
        self.executor = _executor(self.store.root / "slurm", options)

    def run(self, keys: Iterable[RunKey]) -> Iterator[Finished]:
        """Yield every run as it finishes.

        A job that ends without a word, as where its node fails, is submitted again, at most MOST_DEATHS times.
        """
        deaths: Counter[str] = Counter()
        waiting = list(keys)
        while waiting:
            self._submit(waiting)
            waiting = []
            while self.jobs:
                done = self._done()
                for job in done:
                    key = self.jobs.pop(job)
                    finished = self._finish(job, key)
                    if finished is not None:
                        yield finished
                        continue
                    deaths[key.digest] += 1
                    if deaths[key.digest] < MOST_DEATHS:
                        print_line(self.console, f"  job {job.job_id} ended early; {key.title} is submitted again")
                        waiting.append(key)
                    else:
                        yield Failed(key, f"its job ended early {MOST_DEATHS} times; see {job.paths.stderr}")
                if waiting:
                    break
                if not done:
                    time.sleep(LOOK_EVERY)

    def cancel(self) -> None:
        """Cancel the jobs that have not finished."""
        for job in self.jobs:
            job.cancel(check=False)
        self.jobs.clear()

    def _submit(self, keys: Sequence[RunKey]) -> None:
        for start in range(0, len(keys), MOST_JOBS):
            some = keys[start : start + MOST_JOBS]
            with self.executor.batch():
                jobs = [self.executor.submit(OneRun(key, self.work, self.threads, versions())) for key in some]
            self.jobs |= zip(jobs, some, strict=True)

    def _done(self) -> list[Any]:
        """Return the jobs that have left a result, or the queue without one."""
        with_result = [job for job in self.jobs if job.paths.result_pickle.exists()]
        queue = in_queue()
        if queue is None:  # Slurm does not answer; it may be restarting
            return with_result
        missing = {job for job in self.jobs if job not in with_result and job.job_id not in queue}
        self.missed = Counter({job: self.missed[job] + 1 for job in missing})
        return with_result + [job for job, looks in self.missed.items() if looks >= LOOKS]

    def _finish(self, job: Any, key: RunKey) -> Finished | None:
        """Return how a run ended, or None if its job ended without a word."""
        if is_complete(key, self.store):
            return self.store.record(key)
        if not job.paths.result_pickle.exists():
            return None
        try:
            return Failed(key, job.result() or "its job ended without a record")
        except (UncompletedJobError, FailedJobError) as error:  # what a job raised, outside of its training
            return Failed(key, str(error).strip().splitlines()[-1])


def _executor(folder: Path, options: LaunchOptions) -> Any:
    """Return what submits jobs; raises UsageError for what Slurm cannot be asked for."""
    per_run = options.resources
    if not float(per_run.cpus).is_integer() or not float(per_run.gpus).is_integer():
        raise UsageError(f"--per-run {options.per_run}: Slurm gives whole processors and GPUs")
    if CLUSTER == "slurm" and shutil.which("srun") is None:
        raise UsageError("--launcher slurm: no srun on this machine; type the command on a login node")
    slurm = {"slurm_max_num_timeout": MOST_TIMEOUTS} if CLUSTER == "slurm" else {}
    executor = submitit.AutoExecutor(folder, cluster=CLUSTER, **slurm)
    wanted = {
        "name": "recbench",
        "cpus_per_task": int(per_run.cpus),
        "gpus_per_node": int(per_run.gpus) or None,
        "mem_gb": None if per_run.memory is None else per_run.memory / 2**30,
        "timeout_min": _usual_minutes(options.partition) if options.time is None else minutes(options.time),
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


def minutes(word: str) -> int:
    """Return the minutes of a time such as 30m, 4h or 2d; raises UsageError for anything else, and for too few."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", word)
    if match is None:
        raise UsageError(f"--time {word}: expected a time, such as 30m, 4h or 2d")
    found = int(match[1]) * UNITS[match[2]]
    if found < LEAST_MINUTES:
        raise UsageError(f"--time {word}: at least {LEAST_MINUTES}m; a job is stopped up to 150 seconds before its end")
    return found
