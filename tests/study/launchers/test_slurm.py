"""Runs as jobs of submitit, with its executor of this machine in place of Slurm; skipped where it is not installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import UsageError
from recbench.results.record import RunKey, RunRecord
from recbench.run.train_command import TrainRequest, keys_of
from recbench.study.launchers.base import Failed, LaunchOptions, Work
from recbench.study.launchers.local import attempt

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
    work = Work(tmp_path / "slurm", "cpu", (), "recbench train")
    with slurm.launch(work, data, LaunchOptions("slurm"), Console(quiet=True)) as opened:
        found = {record.key.digest: numbers(record) for record in opened.run(keys)}
    own = Work(tmp_path / "local", "cpu", (), "recbench train")
    assert found == {key.digest: numbers(attempt(key, own, lambda _: data, wait=True)) for key in keys}


def test_a_run_that_fails_by_itself_is_not_tried_again(data: Dataset, tmp_path: Path) -> None:
    from recbench.study.launchers import slurm

    (key,) = keys_for(data, seeds=1)
    key = RunKey(**{**vars(key), "loss": "nothing"})
    work = Work(tmp_path / "slurm", "cpu", (), "")
    with slurm.launch(work, data, LaunchOptions("slurm"), Console(quiet=True)) as opened:
        (failed,) = opened.run([key])
    assert isinstance(failed, Failed)
    assert "unknown loss `nothing`" in failed.reason


def test_a_job_that_is_killed_is_submitted_again(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbench.study.launchers import slurm

    class DiesOnce(slurm.OneRun):
        def __call__(self) -> str:
            marker = tmp_path / "died"
            if not marker.exists():
                marker.touch()
                os._exit(9)
            return str(super().__call__())

    monkeypatch.setattr(slurm, "OneRun", DiesOnce)
    (key,) = keys_for(data, seeds=1)
    work = Work(tmp_path / "slurm", "cpu", (), "")
    with slurm.launch(work, data, LaunchOptions("slurm"), Console(quiet=True)) as opened:
        (record,) = opened.run([key])
    assert (tmp_path / "died").exists()
    assert isinstance(record, RunRecord)


def test_times_and_what_slurm_cannot_give(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recbench.study.launchers import slurm

    assert [slurm.minutes(word) for word in ("30m", "4h", "2d")] == [30, 240, 2880]
    for word in ("4", "h", "0h", "4:00"):
        with pytest.raises(UsageError, match=f"--time {word}: expected a time"):
            slurm.minutes(word)
    work = Work(tmp_path, "cpu", (), "")
    with pytest.raises(UsageError, match="Slurm gives whole processors"):
        slurm.OnSlurm(work, LaunchOptions("slurm", per_run="gpus=0.5"), Console(quiet=True))
    monkeypatch.setattr(slurm, "CLUSTER", "slurm")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UsageError, match="no srun on this machine"):
        slurm.OnSlurm(work, LaunchOptions("slurm"), Console(quiet=True))
