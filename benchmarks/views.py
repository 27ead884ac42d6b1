"""What a step of contrastive losses costs on LightGCN beside one of BPR, at the batch of their papers.

Gowalla as LightGCN's authors split it, where `recbench prepare gowalla-lightgcn` has been run; else a log of its shape.
"""

from __future__ import annotations

import os

import torch

from benchmarks.collaborative import DIM, first_epoch, gowalla, shown, side_by_side
from benchmarks.steps import Step, recbench_step
from recbench.data.dataset import Dataset
from recbench.memory import peak
from recbench.training.allocator import keep_freed_memory

BATCH = 2048
METHODS = (("bpr", ""), ("xsimgcl", ""), ("simgcl", ""), ("sgl", "batch"), ("sgl", "all"))


def step_of(data: Dataset, loss: str, against: str) -> Step:
    """Steps of a loss on LightGCN with its defaults, in its first epoch."""
    words = [f"loss.against={against}"] if against else []
    return recbench_step(data, first_epoch(data, "lightgcn", loss, words), BATCH)


def main() -> None:
    """Print triplets per second and seconds an epoch."""
    keep_freed_memory()
    data = gowalla("gowalla-lightgcn")
    rows = len(data.train)
    print(f"{data.name}: {rows:,} positives, batch {BATCH}, dimension {DIM}, {torch.get_num_threads()} threads")
    print(f"load before: {os.getloadavg()[0]:.1f}")
    steps = {f"{loss} {against}".strip(): step_of(data, loss, against) for loss, against in METHODS}
    shown("lightgcn, 3 layers", side_by_side(steps, each=2, rounds=8), "bpr", rows)
    print(f"load after: {os.getloadavg()[0]:.1f}; peak memory of all together {peak() / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
