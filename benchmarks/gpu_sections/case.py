"""A number to measure, and what it is compared with."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Setting:
    """Where and how long to measure."""

    device: torch.device
    toy: bool = False  # sizes and times at which everything runs within seconds on a CPU, and rates mean nothing

    @property
    def seconds(self) -> float:
        """How long one measurement takes, without what comes before it."""
        return 0.01 if self.toy else 0.4


@dataclass(frozen=True)
class Measured:
    """What a case has given: a rate, or whether two ways agree, or both."""

    rate: float | None = None  # per second, in the unit of the case
    milliseconds: float | None = None  # of a step, a search or a command
    mebibytes: float | None = None  # most of the device's memory that tensors took
    agrees: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Case:
    """A number to measure."""

    work: str
    way: str
    measure: Callable[[], Measured]
    unit: str = "rows/s"  # of the rate; none of a check
    target: float | None = None  # rate to reach on one H200
    before: float | None = None  # rate on one H200 of the code at 51d67f7, whose steps were eager and dense


Section = Callable[[Setting], Iterator[Case]]


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def works(device: torch.device) -> bool:
    """Return whether a device still computes and draws, which after some errors it does not do in this process."""
    try:
        torch.rand(1, device=device).item()
    except RuntimeError:
        return False
    return True


def start_peak(device: torch.device) -> None:
    """Free what is left of earlier cases, and count the peak of the memory from here on."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> float | None:
    """Return the MiB that tensors on the device took at most since `start_peak`; None on a CPU."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None


def of_steps(setting: Setting, step: Callable[[], int], warm_up: int) -> Measured:
    """Return the rows a second of steps, each of which returns its rows, after some that do not count."""
    device = setting.device
    for _ in range(warm_up):
        step()
    seconds = _seconds(device, step, 3)[0] / 3
    count = max(3, min(400, round(setting.seconds / max(seconds, 1e-9))))
    seconds, rows = _seconds(device, step, count)
    return Measured(rows / seconds, 1000 * seconds / count, peak(device))


def best_of(setting: Setting, work: Callable[[], object], rounds: int = 3) -> float:
    """Return the seconds of the fastest of some rounds, after one that does not count."""
    work()
    return min(_seconds(setting.device, lambda: (work(), 1)[1], 1)[0] for _ in range(rounds))


def _seconds(device: torch.device, step: Callable[[], int], count: int) -> tuple[float, int]:
    synchronize(device)
    started = time.perf_counter()
    rows = sum(step() for _ in range(count))
    synchronize(device)
    return time.perf_counter() - started, rows
