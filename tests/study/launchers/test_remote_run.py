"""A run that is trained where nothing of the driver is: the same record and weights, and nothing lost on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import TrainingError
from recbench.registry import import_file
from recbench.results.record import Epoch, RunKey, RunRecord
from recbench.results.store import Store
from recbench.run.train_command import TrainRequest, keys_of
from recbench.study.launchers.base import Failed, Work
from recbench.study.launchers.in_this_process import attempt
from recbench.study.launchers.remote_run import (
    Messages,
    RemoteRuns,
    TrackedElsewhere,
    from_arrays,
    keep,
    read_sources,
    to_arrays,
    train_here,
    version_conflict,
)
from recbench.trackers.base import TrackedRun, Tracker
from recbench.training.train import PROGRESS, WEIGHTS
from tests.conftest import forget_imports

OWN_LOSS = """
from recbench.losses import LOSSES, Loss
from torch.nn.functional import softplus

@LOSSES.add("halved")
class Halved(Loss):
    def forward(self, towers, batch):
        return softplus(-towers.logit).mean() / 2
"""


@pytest.fixture
def data(small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    return Dataset.load(find_prepared("synthetic/global"))


def key_of(data: Dataset, loss: str = "bpr", epochs: int = 3) -> RunKey:
    settings = (f"train.epochs={epochs}", "backbone.dim=4", "train.patience=9")
    return keys_of(TrainRequest(loss, "mf", None, (), (0,), settings, ()), data, "cpu", {})[0]


IGNORE = Messages(lambda *_: None, lambda *_: None)


def numbers(record: RunRecord) -> object:
    return [(epoch["epoch"], epoch["loss"], epoch["metric"]) for epoch in record.curve], record.valid, record.key.digest


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def trained_locally(key: RunKey, data: Dataset, root: Path) -> tuple[RunRecord, str]:
    record = attempt(key, Work(root, "cpu", (), "recbench train"), lambda key: data, wait=True)
    assert isinstance(record, RunRecord)
    return record, digest(Store(root).folder(key) / WEIGHTS)


def test_data_survive_the_way_bit_by_bit(data: Dataset) -> None:
    rest, arrays = to_arrays(data)
    assert rest.train.user is None and rest.items.value is None
    for array in arrays.values():
        array.flags.writeable = False  # as in an object store
    again = from_arrays(rest, arrays, "cpu")
    for part, name in ((part, name) for part in ("users", "items", "train", "valid") for name in vars(data.train)):
        there, here = getattr(getattr(again, part), name, None), getattr(getattr(data, part), name, None)
        assert (there is None) == (here is None)
        assert there is None or torch.equal(there, here)
    assert (again.fingerprint, again.rates, again.items.columns) == (data.fingerprint, data.rates, data.items.columns)


def test_a_remote_run_equals_a_local_one(data: Dataset, tmp_path: Path) -> None:
    key, store = key_of(data), Store(tmp_path / "driver")
    expected, weights = trained_locally(key, data, tmp_path / "local")
    rest, arrays = to_arrays(data)
    run = RemoteRuns((key,), Work(store.root, "cpu", (), "recbench train"), {}, torch.get_num_threads())
    reply = train_here(run, lambda key: from_arrays(rest, arrays, "cpu"), IGNORE)
    assert not store.root.exists()  # only the driver writes there
    (record,) = keep(run, reply, store)
    assert isinstance(record, RunRecord)
    assert numbers(record) == numbers(expected)
    assert digest(store.folder(key) / WEIGHTS) == weights
    assert record.command == "recbench train"


def test_runs_side_by_side_equal_those_alone_and_go_on_from_their_checkpoints(data: Dataset, tmp_path: Path) -> None:
    keys = tuple(replace(key_of(data), seed=seed) for seed in (0, 1))
    alone = {key.digest: trained_locally(key, data, tmp_path / "local") for key in keys}
    runs = RemoteRuns(keys, Work(tmp_path / "driver", "cpu", (), "recbench train"), {}, torch.get_num_threads())
    sent: list[tuple[str, bytes]] = []

    def die_in_the_second_epoch(*checkpoint: Any) -> None:
        sent.append(checkpoint)
        if len(sent) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_here(runs, lambda key: data, Messages(die_in_the_second_epoch, lambda *_: None))
    assert sorted({digest for digest, _ in sent}) == sorted(alone)
    resumed = replace(runs, progress=dict(sent))
    store = Store(tmp_path / "driver")
    for record in keep(resumed, train_here(resumed, lambda key: data, IGNORE), store):
        assert isinstance(record, RunRecord)
        assert record.trained_together == 2
        expected, weights = alone[record.key.digest]
        assert numbers(record) == numbers(expected)
        assert digest(store.folder(record.key) / WEIGHTS) == weights


class Heard(Tracker):
    """Writes down what it hears."""

    def __init__(self, run: TrackedRun, said: list[object]) -> None:
        self.said = said
        said.append((run.key, run.select, run.results))

    def epoch(self, epoch: Epoch) -> None:
        self.said.append(epoch)

    def finish(self, record: RunRecord) -> None:
        self.said.append(record.key.digest)

    def close(self) -> None:
        self.said.append("closed")


def test_trackers_of_the_driver_hear_what_they_hear_of_a_run_here(data: Dataset, tmp_path: Path) -> None:
    """The second epoch arrives after the record, the first a second time, from a checkpoint."""
    key, here, there = key_of(data), list[object](), list[object]()
    work = Work(tmp_path, "cpu", (), "recbench train", (partial(Heard, said=here),))
    attempt(key, work, lambda key: data, wait=True)
    arrived: list[tuple[str, str, Epoch]] = []
    runs = RemoteRuns((key,), replace(work, results=tmp_path / "other"), {}, torch.get_num_threads())
    reply = train_here(runs, lambda key: data, Messages(lambda *_: None, lambda *epoch: arrived.append(epoch)))
    assert {digest for digest, _, _ in arrived} == {key.digest}
    (record,) = keep(runs, reply, Store(tmp_path / "driver"))
    assert isinstance(record, RunRecord)
    tracked = TrackedElsewhere(key, (partial(Heard, said=there),), tmp_path)
    for _, select, epoch in (arrived[0], arrived[0]):
        tracked.epoch(select, epoch)
    tracked.finish(record)
    tracked.close()

    def without_seconds(said: list[object]) -> list[object]:
        return [{**each, "seconds": 0} if isinstance(each, dict) else each for each in said]

    assert len(there) == 6
    assert without_seconds(there) == without_seconds(here)


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_run_goes_on_from_a_checkpoint_and_ends_the_same(data: Dataset, tmp_path: Path, epoch: int) -> None:
    key, store = key_of(data), Store(tmp_path / "driver")
    expected, weights = trained_locally(key, data, tmp_path / "local")
    run = RemoteRuns((key,), Work(store.root, "cpu", (), ""), {}, torch.get_num_threads())
    sent: list[bytes] = []

    def die_after(digest: str, progress: bytes) -> None:
        sent.append(progress)
        if len(sent) == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_here(run, lambda key: data, Messages(die_after, lambda *_: None))
    later: list[bytes] = []
    resumed = replace(run, progress={key.digest: sent[-1]})
    going_on = Messages(lambda digest, progress: later.append(progress), lambda *_: None)
    (record,) = keep(resumed, train_here(resumed, lambda key: data, going_on), store)
    assert isinstance(record, RunRecord)
    assert len(later) == 3 - epoch
    assert numbers(record) == numbers(expected)
    assert digest(store.folder(key) / WEIGHTS) == weights
    assert not (store.folder(key) / PROGRESS).exists()


def with_own_loss(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemoteRuns:
    monkeypatch.chdir(tmp_path)
    Path("halved.py").write_text(OWN_LOSS)
    sources = {"halved.py": import_file(Path("halved.py"))}
    key = replace(key_of(data, "halved", 1), sources=sources)
    work = Work(tmp_path / "driver", "cpu", ("halved.py",), "")
    run = RemoteRuns((key,), work, read_sources(work), torch.get_num_threads())
    Path("halved.py").unlink()
    forget_imports()
    return run


def test_files_of_import_travel(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = with_own_loss(data, tmp_path, monkeypatch)
    (record,) = keep(run, train_here(run, lambda key: data, IGNORE), Store(run.work.results))
    assert isinstance(record, RunRecord)
    assert record.imports == ["halved.py"]  # as typed, not where a node had it
    assert (record.key,) == run.keys


def test_a_file_of_import_that_changed_is_not_run(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = with_own_loss(data, tmp_path, monkeypatch)
    run = replace(run, sources={"halved.py": OWN_LOSS.encode() + b"raise SystemExit"})
    (failed,) = keep(run, train_here(run, lambda key: data, IGNORE), Store(run.work.results))
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("halved.py has changed since the command began")


def test_a_run_that_fails_by_itself_says_why(data: Dataset, tmp_path: Path) -> None:
    def load(key: RunKey) -> Dataset:
        raise MemoryError("two\nlines")

    store = Store(tmp_path)
    run = RemoteRuns((key_of(data),), Work(store.root, "cpu", (), ""), {}, 1)
    threads = torch.get_num_threads()
    (failed,) = keep(run, train_here(run, load, IGNORE), store)
    torch.set_num_threads(threads)
    assert failed == Failed(run.keys[0], "MemoryError: two lines")
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("package", ["recbench", "torch"])
def test_other_versions_are_refused(data: Dataset, tmp_path: Path, package: str) -> None:
    run = RemoteRuns((key_of(data),), Work(tmp_path, "cpu", (), ""), {}, 1)
    run = replace(run, versions={**run.versions, package: "0.0.1"})
    load: Callable[[RunKey], Dataset] = pytest.fail
    with pytest.raises(TrainingError, match=f"has {package} .*, and the driver {package} 0.0.1; install the same"):
        keep(run, train_here(run, load, IGNORE), Store(tmp_path))


def test_torch_of_a_cpu_and_of_cuda_are_the_same_version(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "recbench.study.launchers.remote_run.versions"
    monkeypatch.setattr(name, lambda: {"recbench": "1", "torch": "2.6.0+cpu"})
    assert version_conflict({"recbench": "1", "torch": "2.6.0+cu124"}) == ""
    assert "torch 2.6.0+cpu" in version_conflict({"recbench": "1", "torch": "2.7.0"})
