"""Runs on a Ray cluster of several nodes on this machine; skipped where Ray is not installed."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import UsageError
from recbench.results.record import Epoch, RunKey, RunRecord
from recbench.results.store import Store
from recbench.run.train_command import TrainRequest, keys_of
from recbench.study.launchers.base import Failed, LaunchOptions, Work
from recbench.study.launchers.in_this_process import attempt
from recbench.trackers.base import TrackedRun, Tracker
from recbench.training.train import LOCK, PROGRESS

pytest.importorskip("ray", reason="needs Ray: pip install 'recbench[ray]'")
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # of Ray itself
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head and two nodes, which have no data."""
    from ray.cluster_utils import Cluster

    paths = {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    os.environ.update(paths)
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        add_node(cluster, tmp_path_factory)
    yield cluster
    cluster.shutdown()


def add_node(cluster: Any, folders: pytest.TempPathFactory) -> None:
    variables = {"RECBENCH_HOME": str(folders.mktemp("node"))}
    cluster.add_node(num_cpus=1, object_store_memory=100 << 20, env_vars=variables)


@pytest.fixture
def data(small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    return Dataset.load(find_prepared("synthetic/global"))


def keys_for(data: Dataset, *settings: str, seeds: int = 3) -> list[RunKey]:
    words = ("backbone.dim=4", *settings)
    return keys_of(TrainRequest("bpr", "mf", None, (), tuple(range(seeds)), words, ()), data, "cpu", {})


def numbers(record: object) -> object:
    assert isinstance(record, RunRecord), record
    return [(epoch["epoch"], epoch["loss"], epoch["metric"]) for epoch in record.curve], record.valid


def locally(keys: list[RunKey], data: Dataset, root: Path) -> dict[str, object]:
    work = Work(root, "cpu", (), "recbench train")
    return {key.digest: numbers(attempt(key, work, lambda _: data, wait=True)) for key in keys}


def test_runs_of_a_cluster_equal_those_of_this_machine(cluster: Any, data: Dataset, tmp_path: Path) -> None:
    from recbench.study.launchers import ray as launcher

    keys = keys_for(data, "train.epochs=1")
    screen = io.StringIO()
    work = Work(tmp_path / "ray", "cpu", (), "recbench train", launch=LaunchOptions("ray", address=cluster.address))
    with launcher.launch(work, data, Console(file=screen)) as opened:
        found = {record.key.digest: numbers(record) for record in opened(keys)}
        again = list(opened(keys))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert found == locally(keys, data, tmp_path / "local")
    torch.set_num_threads(threads)
    assert {record.key.digest for record in again} == found.keys()
    assert screen.getvalue().startswith("Ray: 3 nodes, 2 CPUs, 0 GPUs; 2 runs at a time with cpus=1")
    left = [path for path in tmp_path.joinpath("ray").rglob("*") if path.name in (LOCK, PROGRESS)]
    assert left == []


def test_runs_side_by_side_are_a_task_and_trackers_hear_of_them_here(
    cluster: Any, data: Dataset, tmp_path: Path
) -> None:
    from recbench.study.launchers import ray as launcher

    keys = keys_for(data, "train.epochs=2", seeds=4)
    heard: list[str] = []

    class Heard(Tracker):
        def __init__(self, run: TrackedRun) -> None:
            self.digest = run.key.digest

        def epoch(self, epoch: Epoch) -> None:
            heard.append(f"{self.digest} {epoch['epoch']}")

        def finish(self, record: RunRecord) -> None:
            heard.append(f"{self.digest} {record.epochs} in all")

    options = LaunchOptions("ray", address=cluster.address, lanes=4)
    work = Work(tmp_path / "ray", "cpu", (), "recbench train", (Heard,), options)
    with launcher.launch(work, data, Console(quiet=True)) as opened:
        records = list(opened(keys))
    assert [isinstance(record, RunRecord) and record.trained_together for record in records] == [2] * 4  # of two nodes
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert {record.key.digest: numbers(record) for record in records} == locally(keys, data, tmp_path / "local")
    torch.set_num_threads(threads)
    assert sorted(heard) == sorted(f"{key.digest} {what}" for key in keys for what in ("1", "2", "2 in all"))


def test_a_run_whose_worker_dies_goes_on_elsewhere(
    cluster: Any, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed as soon as its first checkpoint is here."""
    import psutil

    from recbench.study.launchers import ray as launcher

    monkeypatch.setattr(launcher, "SEND_EVERY", 0.0)
    monkeypatch.setattr(launcher, "LOOK_EVERY", 0.1)
    (key,) = keys_for(data, "train.epochs=60", "train.patience=60", "train.batch_size=32", seeds=1)
    work = Work(tmp_path / "ray", "cpu", (), "recbench train", launch=LaunchOptions("ray", address=cluster.address))
    progress = Store(work.results).folder(key) / PROGRESS
    killed: list[int] = []

    def kill() -> None:
        while not progress.exists():
            time.sleep(0.01)
        for process in psutil.process_iter(["name", "cmdline"]):
            if "_train_on_node" in " ".join(process.info["cmdline"] or [process.info["name"] or ""]):
                killed.append(process.pid)
                process.kill()

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    screen = io.StringIO()
    with launcher.launch(work, data, Console(file=screen)) as opened:
        (record,) = opened([key])
    thread.join(1)
    assert killed
    assert "goes on elsewhere from the last checkpoint" in " ".join(screen.getvalue().split())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert {key.digest: numbers(record)} == locally([key], data, tmp_path / "local")
    torch.set_num_threads(threads)


def test_a_run_that_fails_by_itself_is_not_tried_again(cluster: Any, data: Dataset, tmp_path: Path) -> None:
    from recbench.study.launchers import ray as launcher

    good, bad = keys_for(data, "train.epochs=1", seeds=2)
    bad = RunKey(**{**vars(bad), "fingerprint": "0" * 64, "loss": "nothing"})
    work = Work(tmp_path / "ray", "cpu", (), "recbench train", launch=LaunchOptions("ray", address=cluster.address))
    with launcher.launch(work, data, Console(quiet=True)) as opened:
        finished = {found.key.digest: found for found in opened([good, bad])}
    assert isinstance(finished[good.digest], RunRecord)
    failed = finished[bad.digest]
    assert isinstance(failed, Failed)
    assert "unknown loss `nothing`" in failed.reason


def test_a_cluster_that_is_not_there(data: Dataset, tmp_path: Path) -> None:
    from recbench.study.launchers import ray as launcher

    work = Work(tmp_path, "cpu", (), "", launch=LaunchOptions("ray", address="127.0.0.1:1"))
    with (
        pytest.raises(UsageError, match="--address 127.0.0.1:1: no Ray cluster answers .* or use --address local"),
        launcher.launch(work, data, Console(quiet=True)),
    ):
        pass


def test_the_nodes_of_a_cluster_and_what_differs_there(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from recbench.study.launchers import ray_cluster

    nodes = ray_cluster.describe_nodes(cluster.address)
    assert sorted(int(str(node["cpus"])) for node in nodes) == [0, 1, 1]
    assert {(node["torch"], node["problem"]) for node in nodes} == {(ray_cluster.versions()["torch"], "none")}
    monkeypatch.setattr(ray_cluster, "versions", lambda: {"recbench": "0.0.1", "torch": nodes[0]["torch"]})
    problems = {str(node["problem"]) for node in ray_cluster.describe_nodes(cluster.address)}
    assert len(problems) == 1
    assert problems.pop().endswith("and the driver recbench 0.0.1; install the same on all nodes")


def test_checkpoints_take_at_most_a_share_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    from recbench.study.launchers import ray as launcher

    clock = [0.0]
    monkeypatch.setattr(launcher.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(launcher, "BYTES_PER_SECOND", 100)
    sent: dict[int, list[float]] = {10: [], 200: []}  # bytes of a checkpoint → when it was sent
    for size, times in sent.items():
        clock[0] = 0.0
        sender = launcher.Sender(lambda _, times=times: times.append(clock[0]), 5)
        for second in range(1, 50):  # an epoch each
            clock[0] = second
            sender(bytes(size))
    assert sent == {10: [5, 10, 15, 20, 25, 30, 35, 40, 45], 200: [5, 25, 45]}
