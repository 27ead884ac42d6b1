"""Runs on a machine that shares no folder with the driver: what is sent there, and what comes back, as bytes.

Their epochs come back too, and the driver's trackers show them.
"""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from recbench.data.dataset import Dataset
from recbench.errors import DataError, TrainingError
from recbench.own_files import counted_paths
from recbench.registry import source_digest
from recbench.results.code_version import versions
from recbench.results.files import write_atomically
from recbench.results.json_structs import decode, encode
from recbench.results.record import Epoch, RunKey, RunRecord
from recbench.results.store import Store
from recbench.study.launchers.base import Failed, Finished, Work
from recbench.study.launchers.in_this_process import Load, attempt_all
from recbench.trackers.base import Track, TrackedRun, Tracker
from recbench.training.tracking import Tracking
from recbench.training.train import PROGRESS, WEIGHTS

SendEpoch = Callable[[str, str, Epoch], None]  # digest of the run, its validation metric in words, a validated epoch
SAME_VERSIONS = ("recbench", "torch")  # on the driver and wherever runs are trained
TENSORS = {
    "users": ("value", "dense"),
    "items": ("value", "dense"),
    "train": ("user", "item", "label", "truth", "time", "weight"),
    "valid": ("user", "item", "label", "truth", "time", "weight"),
}


class EpochsToDriver(Tracker):
    """Where a run is trained: sends its epochs to the driver."""

    def __init__(self, run: TrackedRun, send: SendEpoch) -> None:
        self.run, self.send = run, send

    def epoch(self, epoch: Epoch) -> None:
        """Send an epoch."""
        self.send(self.run.key.digest, self.run.select, epoch)

    def finish(self, record: RunRecord) -> None:
        """Do nothing: the record goes to the driver anyway."""


class TrackedElsewhere:
    """On the driver: a run that is trained elsewhere, as the trackers of this machine show it."""

    def __init__(self, key: RunKey, track: Sequence[Track], results: Path) -> None:
        self.key, self.track, self.results = key, track, results
        self.tracking: Tracking | None = None  # once there is something to show
        self.shown = 0  # epochs

    def epoch(self, select: str, epoch: Epoch) -> None:
        """Show a validated epoch, unless it is shown: those of a run that went on from a checkpoint come again."""
        if not self.track or epoch["epoch"] <= self.shown:
            return
        if self.tracking is None:
            self.tracking = Tracking(self.track)
            self.tracking.start(TrackedRun(self.key, select, self.results), ())
        self.shown = epoch["epoch"]
        self.tracking.epoch(epoch)

    def finish(self, record: RunRecord) -> None:
        """Show the epochs that had not arrived, and what the run came to."""
        for epoch in record.curve:
            self.epoch(record.selected_by, epoch)
        if self.tracking is not None:
            self.tracking.finish(record)

    def close(self) -> None:
        """Let the trackers go."""
        if self.tracking is not None:
            self.tracking.close()


@dataclass(frozen=True)
class RemoteRuns:
    """All that a machine needs to train runs, beside recbench and the prepared data."""

    keys: tuple[RunKey, ...]  # that train side by side where they can
    work: Work  # of the driver
    sources: Mapping[str, bytes]  # file of --import → its content
    threads: int
    progress: Mapping[str, bytes] = field(default_factory=dict)  # digest of a run → the checkpoint to go on from
    versions: Mapping[str, str] = field(default_factory=versions)  # of the driver's packages


@dataclass(frozen=True)
class Outcome:
    """What came of a run: record and weights, or why there are none."""

    record: bytes = b""  # JSON
    weights: bytes = b""
    failed: str = ""  # a run that fails by itself, in one line


@dataclass(frozen=True)
class Reply:
    """What a machine made of the runs that it was given."""

    machine: str
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)  # by the digests of the runs
    refused: str = ""  # why no run may be trained on the machine, in one line


@dataclass(frozen=True)
class Messages:
    """What goes to the driver while runs are trained, each with the digest of its run."""

    checkpoint: Callable[[str, bytes], None]
    epoch: SendEpoch  # if there is a tracker to show it


def read_sources(work: Work) -> dict[str, bytes]:
    """Return the content of the files of --import by their names."""
    return {Path(name).name: Path(name).read_bytes() for name in work.imports}


def train_here(runs: RemoteRuns, load: Load, send: Messages) -> Reply:
    """Train runs in a temporary folder, and send their checkpoints and epochs meanwhile."""
    machine = platform.node()
    different = version_conflict(runs.versions)
    if different:
        return Reply(machine, refused=f"{machine} has {different}; install the same on all nodes")
    torch.set_num_threads(runs.threads)
    with TemporaryDirectory(prefix="recbench-") as name:
        folder = Path(name)
        store = Store(folder / "results")
        try:
            imports = _write_sources(folder, runs)
        except DataError as error:
            return Reply(machine, {key.digest: Outcome(failed=str(error)) for key in runs.keys})
        for key in runs.keys:
            if key.digest in runs.progress:
                write_atomically(store.folder(key) / PROGRESS, runs.progress[key.digest])
        track = (partial(EpochsToDriver, send=send.epoch),) if runs.work.track else ()
        work = replace(runs.work, results=store.root, imports=imports, track=track)

        def saved(key: RunKey, path: Path) -> None:
            send.checkpoint(key.digest, path.read_bytes())

        ended = attempt_all(runs.keys, work, load, wait=True, saved=saved)
        return Reply(machine, {key.digest: _outcome(key, finished, runs, store) for key, finished in ended})


def _outcome(key: RunKey, finished: Finished | None, runs: RemoteRuns, store: Store) -> Outcome:
    """Return what goes to the driver of a run that has ended here."""
    if isinstance(finished, RunRecord):
        record = replace(finished, imports=counted_paths(runs.work.imports, key.sources))
        return Outcome(msgspec.json.encode(encode(record)), (store.folder(key) / WEIGHTS).read_bytes())
    return Outcome(failed=finished.reason if finished else "another process trains it")


def keep(runs: RemoteRuns, reply: Reply, store: Store) -> list[Finished]:
    """Write weights and records of runs that were trained elsewhere, and return how each ended.

    Raises TrainingError for a machine on which no run may be trained, DataError if the reply is damaged.
    """
    if reply.refused:
        raise TrainingError(reply.refused)
    return [_keep(key, reply.outcomes[key.digest], reply.machine, store) for key in runs.keys]


def _keep(key: RunKey, outcome: Outcome, machine: str, store: Store) -> Finished:
    if outcome.failed:
        return Failed(key, outcome.failed)
    record = decode(RunRecord, msgspec.json.decode(outcome.record), f"the record from {machine}")
    if record.key.digest != key.digest:
        raise DataError(f"{machine} returned run {record.key.digest} in place of {key.digest}")
    folder = store.folder(key)
    write_atomically(folder / WEIGHTS, outcome.weights)
    if key not in store:
        store.write_record(record)
    (folder / PROGRESS).unlink(missing_ok=True)
    return store.record(key)


def version_conflict(wanted: Mapping[str, str], installed: Mapping[str, str] | None = None) -> str:
    """Return which of the `installed` packages, by default those here, is not as `wanted`, "" if all are."""
    own = versions() if installed is None else installed
    for package in SAME_VERSIONS:
        here, there = own.get(package, "none"), wanted.get(package, "none")
        if here.partition("+")[0] != there.partition("+")[0]:  # torch of a CPU and of CUDA are the same version
            return f"{package} {here}, and the driver {package} {there}"
    return ""


def to_arrays(data: Dataset) -> tuple[Dataset, dict[str, NDArray[Any]]]:
    """Split a dataset into its arrays, "train.user" and so on, and what is left of it, which is small."""
    arrays: dict[str, NDArray[Any]] = {}
    rest: dict[str, Any] = {}
    for part, names in TENSORS.items():
        table: Any = getattr(data, part)
        tensors = {name: getattr(table, name) for name in names}
        arrays |= {f"{part}.{name}": tensor.cpu().numpy() for name, tensor in tensors.items() if tensor is not None}
        rest[part] = replace(table, **dict.fromkeys(names))
    return replace(data, **rest), arrays


def from_arrays(rest: Dataset, arrays: Mapping[str, NDArray[Any]], device: str) -> Dataset:
    """Put together what `to_arrays` split. On a CPU the tensors share the memory of the arrays, and are only read."""
    parts: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        for part, names in TENSORS.items():
            found = {name: arrays[f"{part}.{name}"] for name in names if f"{part}.{name}" in arrays}
            tensors = {name: torch.from_numpy(np.asarray(array)).to(device) for name, array in found.items()}
            parts[part] = replace(getattr(rest, part), **tensors)
    return replace(rest, **parts)


def _write_sources(folder: Path, runs: RemoteRuns) -> tuple[str, ...]:
    """Write the files of --import, and return their paths; raises DataError for one that has changed."""
    paths = []
    for name, content in runs.sources.items():
        path = folder / "imports" / name
        write_atomically(path, content)
        digest = source_digest(path)
        if any(key.sources.get(name, digest) != digest for key in runs.keys):  # a file need not count for every run
            raise DataError(f"{name} has changed since the command began; type it again")
        paths.append(str(path))
    return tuple(paths)
