"""Runs as jobs of submitit, with its executor of this machine in place of Slurm; skipped where it is not installed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import TrainingError, UsageError
from recbench.results.record import RunKey, RunRecord
from recbench.run.train_command import TrainRequest, keys_of
from recbench.study.launchers.base import Failed, LaunchOptions, Work
from recbench.study.launchers.in_this_process import attempt

pytest.importorskip("submitit", reason="needs submitit: pip install 'recbench[slurm]'")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of submitit's processes
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def data(small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    from recbench.study.launchers import slurm

    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setattr(slurm, "CLUSTER", "local")
    monkeypatch.setattr(slurm, "LOOK_EVERY", 0.2)
    monkeypatch.setattr(slurm.Jobs, "_done", lambda self: [job for job in self.running if job.done()])
    return Dataset.load(find_prepared("synthetic/global"))


def keys_for(data: Dataset, seeds: int = 2) -> list[RunKey]:
    words = ("backbone.dim=4", "train.epochs=1")
    return keys_of(TrainRequest("bpr", "mf", None, (), tuple(range(seeds)), words, ()), data, "cpu", {})


def numbers(record: object) -> object:
    assert isinstance(record, RunRecord), record
    return [(epoch["epoch"], epoch["loss"], epoch["metric"]) for epoch in record.curve], record.valid


def test_jobs_write_the_records_of_this_machine(data: Dataset, tmp_path: Path) -> None:
    from recbench.study.launchers import slurm

    keys = keys_for(data)
    work = Work(tmp_path / "slurm", "cpu", (), "recbench train", launch=LaunchOptions("slurm"))
    with slurm.launch(work, data, Console(quiet=True)) as opened:
        found = {record.key.digest: numbers(record) for record in opened(keys)}
    own = Work(tmp_path / "local", "cpu", (), "recbench train")
    assert found == {key.digest: numbers(attempt(key, own, lambda _: data, wait=True)) for key in keys}


def test_lanes_of_a_job_write_the_records_of_runs_alone(data: Dataset, tmp_path: Path) -> None:
    """One run fails on the way, and three that are alike share a job."""
    from recbench.study.launchers import slurm

    keys = keys_for(data, seeds=3)
    bad = RunKey(**{**vars(keys[0]), "loss": "nothing"})
    work = Work(tmp_path / "slurm", "cpu", (), "recbench train", launch=LaunchOptions("slurm", lanes=3))
    with slurm.launch(work, data, Console(quiet=True)) as opened:
        ended = list(opened([*keys, bad]))
    assert len(list((tmp_path / "slurm" / "slurm").glob("*_submitted.pkl"))) == 2
    records = {found.key.digest: found for found in ended if isinstance(found, RunRecord)}
    assert [record.trained_together for record in records.values()] == [3, 3, 3]
    assert ["unknown loss" in found.reason for found in ended if isinstance(found, Failed)] == [True]
    own = Work(tmp_path / "local", "cpu", (), "recbench train")
    for key in keys:
        assert numbers(records[key.digest]) == numbers(attempt(key, own, lambda _: data, wait=True))


def test_a_run_that_fails_by_itself_is_not_tried_again(data: Dataset, tmp_path: Path) -> None:
    from recbench.study.launchers import slurm

    (key,) = keys_for(data, seeds=1)
    key = RunKey(**{**vars(key), "loss": "nothing"})
    work = Work(tmp_path / "slurm", "cpu", (), "", launch=LaunchOptions("slurm"))
    with slurm.launch(work, data, Console(quiet=True)) as opened:
        (failed,) = opened([key])
    assert isinstance(failed, Failed)
    assert "unknown loss `nothing`" in failed.reason


def test_a_job_that_is_killed_is_submitted_again(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbench.study.launchers import slurm

    class DiesOnce(slurm.Job):
        def __call__(self) -> object:
            marker = tmp_path / "died"
            if not marker.exists():
                marker.touch()
                os._exit(9)
            return super().__call__()

    monkeypatch.setattr(slurm, "Job", DiesOnce)
    (key,) = keys_for(data, seeds=1)
    work = Work(tmp_path / "slurm", "cpu", (), "", launch=LaunchOptions("slurm"))
    with slurm.launch(work, data, Console(quiet=True)) as opened:
        (record,) = opened([key])
    assert (tmp_path / "died").exists()
    assert isinstance(record, RunRecord)


def share_of(number: int, whole: int) -> float:
    return whole / number


def test_calls_are_jobs_and_one_that_fails_says_why(data: Dataset, tmp_path: Path) -> None:
    from recbench.study.launchers import slurm

    work = Work(tmp_path, "cpu", (), "", launch=LaunchOptions("slurm"))
    found = dict(slurm.call_each(share_of, [4, 0], 8, work, Console(quiet=True)))
    assert found[0] == 2.0
    assert str(found[1]).startswith("ZeroDivisionError: division by zero; see ")


def test_a_call_has_as_many_threads_as_a_run() -> None:
    from recbench.study.launchers import slurm

    before = torch.get_num_threads()
    try:
        assert slurm.Job(torch.get_num_threads, before + 1)() == before + 1
    finally:
        torch.set_num_threads(before)


def test_what_slurm_cannot_give(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recbench.study.launchers import slurm

    work = Work(tmp_path, "cpu", (), "", launch=LaunchOptions("slurm"))
    with pytest.raises(UsageError, match="Slurm gives whole processors"):
        slurm.OnSlurm(replace(work, launch=LaunchOptions("slurm", per_run="gpus=0.5")), Console(quiet=True))
    monkeypatch.setattr(slurm, "CLUSTER", "slurm")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UsageError, match="no srun on this machine"):
        slurm.OnSlurm(work, Console(quiet=True))


class Job:
    """What the launcher sees of a job of Slurm."""

    def __init__(self, job_id: str, folder: Path) -> None:
        self.job_id = job_id
        self.paths = SimpleNamespace(result_pickle=folder / job_id)


def answer(text: str, code: int = 0) -> Callable[..., SimpleNamespace]:
    return lambda command, **_: SimpleNamespace(stdout=text, returncode=code)


def test_a_job_has_ended_when_it_has_a_result_or_has_left_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbench.study.launchers import slurm

    opened = slurm.Jobs.__new__(slurm.Jobs)
    waits, runs, gone, done = (Job(name, tmp_path) for name in ("7_0", "7_1", "7_2", "8"))
    opened.running, opened.missed = dict.fromkeys((waits, runs, gone, done)), Counter()
    done.paths.result_pickle.touch()
    monkeypatch.setattr(slurm.subprocess, "run", answer("7 7_0\n9 7_1\n8 8_N/A\n"))
    looks = [opened._done() for _ in range(slurm.LOOKS)]
    assert looks == [[done]] * (slurm.LOOKS - 1) + [[done, gone]]
    monkeypatch.setattr(slurm.subprocess, "run", answer("", 1))  # Slurm is restarting
    assert opened._done() == [done]
    monkeypatch.setattr(slurm.subprocess, "run", answer("7 7_2\n"))  # a job that was requeued is back
    opened._done()
    assert set(opened.missed) == {waits, runs}


def test_jobs_that_slurm_does_not_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from submitit.core.utils import FailedJobError

    from recbench.study.launchers import slurm

    def refuse(*_: object) -> None:
        raise FailedJobError("sbatch: error: Unable to contact slurm controller")

    executor = SimpleNamespace(batch=nullcontext, submit=refuse)
    monkeypatch.setattr(slurm, "_executor", lambda folder, options: executor)
    jobs: slurm.Jobs[str] = slurm.Jobs(tmp_path, LaunchOptions("slurm"))
    with pytest.raises(TrainingError, match=r"did not take the jobs \(sbatch: error: Unable to contact .*`sinfo`"):
        jobs.submit([(lambda: None, "run")])


def test_a_job_without_a_time_gets_that_of_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    from recbench.study.launchers import slurm

    queues = "long*|10:00|infinite\nurgent|n/a|2-01:30:00\nfree|n/a|infinite\n"
    monkeypatch.setattr(slurm.subprocess, "run", answer(queues))
    found = [slurm._usual_minutes(name) for name in (None, "long", "urgent", "free")]
    assert found == [10, 10, 2 * 24 * 60 + 90, slurm.YEAR]
    with pytest.raises(UsageError, match="--partition lung: Slurm has none of this name, but long, urgent, free"):
        slurm._usual_minutes("lung")
