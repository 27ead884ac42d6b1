"""Runs side by side: rows a second of 1, 5 and 10 lanes, beside the same runs one after another and by two processes.

All are random logs of the size of MovieLens-1M, on a GPU where there is one (there, steps are captured in all ways).
"""

from __future__ import annotations

import time
from functools import partial
from multiprocessing import get_context

import torch

from benchmarks.gpu_sections.case import synchronize
from benchmarks.gpu_sections.shapes import moved
from benchmarks.steps import LanesStep, Step, recbench_step, untrained
from benchmarks.training import shape_of_ml1m
from recbench.data.dataset import Dataset
from recbench.training.captured_step import make_step

BATCH = 1024
PAIRS = (("bce", "twintower", 1), ("gnolr", "twintower", 3), ("bpr", "mf", 1))
LANES = (1, 5, 10)
SECONDS = 4.0  # of one measurement
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def alone(data: Dataset, loss: str, backbone: str) -> Step:
    """The step of one run, as it is trained by itself."""
    model = untrained(data, loss, backbone)
    return recbench_step(data, model, BATCH, make_step(model, model.schedule))


def side_by_side(data: Dataset, loss: str, backbone: str, lanes: int) -> Step:
    """The step of several runs, which returns the rows of all."""
    return LanesStep(data, [untrained(data, loss, backbone) for _ in range(lanes)], BATCH)


def rate(step: Step) -> float:
    """Return rows per second over SECONDS, after some steps that do not count."""
    for _ in range(10):
        step()
    synchronize(DEVICE)
    started, rows = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS:
        rows += step()
    synchronize(DEVICE)
    return rows / (time.perf_counter() - started)


def by_two_processes(loss: str, backbone: str, tasks: int) -> float:
    """Return the rows per second of two processes together, each with half of the threads, training a run each."""
    context = get_context("spawn")
    threads = max(1, torch.get_num_threads() // 2)
    with context.Pool(2) as pool:
        return sum(pool.map(partial(_in_process, loss, backbone, tasks), [threads] * 2, chunksize=1))


def _in_process(loss: str, backbone: str, tasks: int, threads: int) -> float:
    torch.set_num_threads(threads)
    return rate(alone(moved(shape_of_ml1m(tasks), DEVICE), loss, backbone))


def main() -> None:
    """Print rows per second of all runs together, and their ratio to one run after another."""
    name = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"batch {BATCH} of each run, {name}")
    for loss, backbone, tasks in PAIRS:
        data = moved(shape_of_ml1m(tasks), DEVICE)
        rates = {"one after another": rate(alone(data, loss, backbone))}
        rates |= {f"{n} side by side": rate(side_by_side(data, loss, backbone, n)) for n in LANES}
        rates["two processes"] = by_two_processes(loss, backbone, tasks)
        for way, rows in rates.items():
            ratio = rows / rates["one after another"]
            print(f"{f'{loss} x {backbone}':20}{way:20}{rows:>14,.0f} rows/s{ratio:>8.2f}")


if __name__ == "__main__":
    main()
