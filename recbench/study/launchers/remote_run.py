"""A run on a machine that shares no folder with the driver: what is sent there, and what comes back, as bytes."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from recbench.data.dataset import Dataset
from recbench.errors import DataError, TrainingError
from recbench.registry import source_digest
from recbench.results.code_version import versions
from recbench.results.files import write_atomically
from recbench.results.json_structs import decode, encode
from recbench.results.record import RunKey, RunRecord
from recbench.results.store import Store
from recbench.study.launchers.base import Failed, Finished, Work
from recbench.study.launchers.local import attempt
from recbench.training.train import PROGRESS, WEIGHTS

SAME_VERSIONS = ("recbench", "torch")  # on the driver and wherever runs are trained
TENSORS = {
    "users": ("value", "dense"),
    "items": ("value", "dense"),
    "train": ("user", "item", "label", "truth", "time"),
    "valid": ("user", "item", "label", "truth", "time"),
}


@dataclass(frozen=True)
class RemoteRun:
    """All that a machine needs to train a run, beside recbench and the prepared data."""

    key: RunKey
    work: Work  # of the driver
    sources: Mapping[str, bytes]  # file of --import → its content
    threads: int
    progress: bytes | None = None  # the checkpoint to go on from
    versions: Mapping[str, str] = field(default_factory=versions)  # of the driver's packages


@dataclass(frozen=True)
class Reply:
    """What came of a run: record and weights, or why there are none."""

    machine: str
    record: bytes = b""  # JSON
    weights: bytes = b""
    failed: str = ""  # a run that fails by itself, in one line
    refused: str = ""  # a machine on which no run may be trained, in one line


def read_sources(work: Work) -> dict[str, bytes]:
    """Return the content of the files of --import by their names."""
    return {Path(name).name: Path(name).read_bytes() for name in work.imports}


def train_here(run: RemoteRun, load: Callable[[RunKey], Dataset], send: Callable[[bytes], None]) -> Reply:
    """Train a run in a temporary folder; `send` gets the bytes of every checkpoint."""
    machine = platform.node()
    different = version_conflict(run.versions)
    if different:
        return Reply(machine, refused=f"{machine} has {different}; install the same on all nodes")
    torch.set_num_threads(run.threads)
    with TemporaryDirectory(prefix="recbench-") as name:
        folder = Path(name)
        store = Store(folder / "results")
        own = store.folder(run.key)
        try:
            imports = _write_sources(folder, run)
        except DataError as error:
            return Reply(machine, failed=str(error))
        if run.progress is not None:
            write_atomically(own / PROGRESS, run.progress)
        work = replace(run.work, results=store.root, imports=imports)
        finished = attempt(run.key, work, load, wait=True, saved=lambda path: send(path.read_bytes()))
        if isinstance(finished, RunRecord):
            record = replace(finished, imports=list(run.work.imports))
            return Reply(machine, msgspec.json.encode(encode(record)), (own / WEIGHTS).read_bytes())
        return Reply(machine, failed=finished.reason if finished else "another process trains it")


def keep(run: RemoteRun, reply: Reply, store: Store) -> Finished:
    """Write weights and record of a run that was trained elsewhere, and return its record, or why there is none.

    Raises TrainingError for a machine on which no run may be trained, DataError if the reply is damaged.
    """
    if reply.refused:
        raise TrainingError(reply.refused)
    if reply.failed:
        return Failed(run.key, reply.failed)
    record = decode(RunRecord, msgspec.json.decode(reply.record), f"the record from {reply.machine}")
    if record.key.digest != run.key.digest:
        raise DataError(f"{reply.machine} returned run {record.key.digest} in place of {run.key.digest}")
    folder = store.folder(run.key)
    write_atomically(folder / WEIGHTS, reply.weights)
    if run.key not in store:
        store.write_record(record)
    (folder / PROGRESS).unlink(missing_ok=True)
    return store.record(run.key)


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


def _write_sources(folder: Path, run: RemoteRun) -> tuple[str, ...]:
    """Write the files of --import, and return their paths; raises DataError for one that has changed."""
    paths = []
    for name, content in run.sources.items():
        path = folder / "imports" / name
        write_atomically(path, content)
        if source_digest(path) != run.key.sources.get(name):
            raise DataError(f"{name} has changed since the command began; type it again")
        paths.append(str(path))
    return tuple(paths)
