"""What launchers have in common: the runs they are given, what they return, and how one is chosen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import torch
from rich.console import Console

from recbench import torchrun
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.memory import UNITS
from recbench.results.record import RunKey, RunRecord
from recbench.trackers.base import Track
from recbench.training.bundling import MOST
from recbench.training.model import pick_device

A = TypeVar("A")
S = TypeVar("S")
R = TypeVar("R")
Function = Callable[[A, S], R]  # of an argument and of what all calls share
LauncherName = Literal["local", "ray", "slurm"]

PACKAGES = {"ray": "ray", "slurm": "submitit"}  # what a launcher needs beside recbench; its extra is called as it is
MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
LEAST_MINUTES = 5  # of a job, which is told of its end 90 seconds before, and by Slurm's clock up to a minute earlier
PER_RUN = re.compile(r"(cpus|gpus|memory)=([0-9]+(?:\.[0-9]+)?)([kmgt]?i?)b?", re.IGNORECASE)


@dataclass(frozen=True)
class Failed:
    """A run that came to no record, and why, in one line."""

    key: RunKey
    reason: str


Finished = RunRecord | Failed


# Trains runs somewhere and yields each as it finishes, in any order; one that fails does not stop the others. The store
# is the queue: whatever has a record is returned as it is.
Launcher = Callable[[Sequence[RunKey]], Iterator[Finished]]


@dataclass(frozen=True)
class PerRun:
    """What a run on a cluster takes."""

    cpus: float = 1  # also the number of its threads, rounded down
    gpus: float = 0
    memory: int | None = None  # bytes; None: not limited

    @staticmethod
    def parse(words: str | None) -> PerRun:
        """Read `cpus=2,gpus=0.25,memory=4GiB`; raises UsageError for anything else."""
        amounts: dict[str, float] = {}
        for word in (words or "").split(",") if words else ():
            match = PER_RUN.fullmatch(word.strip())
            if match is None or (match[1] != "memory" and match[3]) or match[1].lower() in amounts:
                raise UsageError(f"--per-run {words}: expected amounts, each once, as in cpus=2,gpus=0.25,memory=4GiB")
            amounts[match[1].lower()] = float(match[2]) * UNITS[match[3].lower()]
        memory = amounts.get("memory")
        per_run = PerRun(amounts.get("cpus", 1), amounts.get("gpus", 0), None if memory is None else int(memory))
        if per_run.cpus <= 0 or memory == 0:
            raise UsageError(f"--per-run {words}: a run takes some of every processor and memory that is named")
        return per_run

    @property
    def threads(self) -> int:
        """Threads of a run."""
        return max(1, int(self.cpus))

    def __str__(self) -> str:
        memory = [] if self.memory is None else [f"memory={self.memory / 2**20:.0f}MiB"]
        return ",".join([f"cpus={self.cpus:g}", *([f"gpus={self.gpus:g}"] if self.gpus else []), *memory])


@dataclass(frozen=True)
class LaunchOptions:
    """Which launcher trains the runs of a command, and how.

    Raises UsageError for an option that another launcher has, and where the launcher's package is not installed.
    """

    launcher: LauncherName = "local"
    jobs: int | None = None  # runs at a time; None: 1 on this machine, as many as there is room for elsewhere
    address: str | None = None  # of a Ray cluster; None: auto
    per_run: str | None = None
    partition: str | None = None  # of Slurm; None: its default
    time_limit: str | None = None  # of a Slurm job; None: the partition's default
    lanes: int | None = None  # runs to train side by side in a process; None: MOST on a GPU of this machine, else 1
    device: str = "auto"  # as --device has it

    def __post_init__(self) -> None:
        options = {"address": ("ray",), "per_run": ("ray", "slurm"), "partition": ("slurm",), "time_limit": ("slurm",)}
        for name, launchers in options.items():
            if getattr(self, name) is not None and self.launcher not in launchers:
                option = f"--{name.replace('_', '-')} {getattr(self, name)}"
                raise UsageError(f"{option}: an option of {' and '.join(f'--launcher {one}' for one in launchers)}")
        PerRun.parse(self.per_run)
        if self.time_limit is not None:
            minutes(self.time_limit)
        require_installed(self.launcher, f"--launcher {self.launcher}")

    @property
    def resources(self) -> PerRun:
        """What a run on a cluster takes."""
        return PerRun.parse(self.per_run)

    def side_by_side(self, device: torch.device) -> int:
        """Return how many runs to train side by side in a process, at most.

        By itself, one on a CPU, where several are hardly faster, on a cluster, which takes back what it gave to a group
        at once, and where torchrun has several processes train a run.
        """
        alone = device.type == "cpu" or self.launcher != "local" or torchrun.place() is not None
        return self.lanes or (1 if alone else MOST)

    def devices(self) -> tuple[torch.device, torch.device]:
        """Return the device of the data here, and the device of the runs.

        On a cluster these are a CPU here, and there, for `auto`, CUDA where a run takes a part of a GPU. Raises
        UsageError if there is no such device.
        """
        word = self.device
        if self.launcher == "local":
            device = pick_device(word)
            return device, device
        if word not in ("auto", "cpu", "cuda"):
            raise UsageError(f"--device {word}: expected auto, cpu or cuda with --launcher {self.launcher}")
        chosen = "cuda" if word == "cuda" or (word == "auto" and self.resources.gpus) else "cpu"
        if (chosen == "cuda") != bool(self.resources.gpus):
            raise UsageError(f"--device {word}: add gpus=1, or a part of one, to --per-run for cuda, and none for cpu")
        return torch.device("cpu"), torch.device(chosen)


@dataclass(frozen=True)
class Work:
    """What all runs have in common beside their keys."""

    results: Path
    device: str
    imports: tuple[str, ...]  # files of --import, as typed
    command: str
    track: tuple[Track, ...] = ()  # what shows the runs elsewhere
    launch: LaunchOptions = field(default_factory=LaunchOptions)  # where they are trained

    @property
    def lanes(self) -> int:
        """How many runs to train side by side in a process, at most."""
        return self.launch.side_by_side(torch.device(self.device))


def minutes(word: str) -> int:
    """Return the minutes of a time such as 30m, 4h or 2d; raises UsageError for anything else, and for too few."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", word)
    if match is None:
        raise UsageError(f"--time-limit {word}: expected a time, such as 30m, 4h or 2d")
    found = int(match[1]) * MINUTES[match[2]]
    if found < LEAST_MINUTES:
        raise UsageError(
            f"--time-limit {word}: at least {LEAST_MINUTES}m; a job is stopped up to 150 seconds before its end"
        )
    return found


def require_installed(launcher: LauncherName, option: str) -> None:
    """Raise UsageError that begins with what was typed if the package of a launcher is not installed."""
    package = PACKAGES.get(launcher)
    if package is not None and find_spec(package) is None:
        raise UsageError(f"{option} needs {package}, which is not installed: pip install 'recbench[{launcher}]'")


def call_each(
    function: Function[A, S, R], arguments: Sequence[A], shared: S, work: Work, console: Console
) -> Iterator[tuple[int, R | str]]:
    """Call `function(argument, shared)` for each argument where `work.launch` says; yield numbers and results.

    A number is the place of the argument; results come as they end. If the process of a call ended several times, why,
    in one line, stands in place of its result. The function is one of a module, and what it takes and returns can be
    pickled; what is `shared` goes to each node of a Ray cluster once. On an exception, Ctrl-C included, all calls are
    stopped.
    """
    calls = _module(work).call_each(function, arguments, shared, work, console)
    return cast(Iterator[tuple[int, R | str]], calls)


def launch(work: Work, data: Dataset, console: Console) -> AbstractContextManager[Launcher]:
    """Open the launcher for runs on one dataset; what there is to say of a cluster, it prints.

    On an exception, Ctrl-C included, all runs are stopped; launched again, they resume after the last epoch that
    reached the store.
    """
    return cast(AbstractContextManager[Launcher], _module(work).launch(work, data, console))


def _module(work: Work) -> Any:
    """Return the module of this folder that is the launcher."""
    return import_module(f"{__package__}.{work.launch.launcher}")
