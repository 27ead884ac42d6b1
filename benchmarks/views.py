"""What a step of contrastive losses costs on LightGCN beside one of BPR, at the batch of their papers.

Gowalla as LightGCN's authors split it, where `recbench prepare gowalla-lightgcn` has been run; else a log of its shape.
"""

from __future__ import annotations

import os

import torch

from benchmarks.collaborative import DIM, Step, peak, recbench_step, shape_of_gowalla, shown, side_by_side
from recbench import settings
from recbench.backbones.lightgcn import LightGCN
from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import UsageError
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.training.allocator import keep_freed_memory
from recbench.training.model import build
from recbench.training.schedule import Schedule

BATCH = 2048
METHODS = (("bpr", ""), ("xsimgcl", ""), ("simgcl", ""), ("sgl", "batch"), ("sgl", "all"))


def gowalla() -> Dataset:
    """The prepared log, or a random one of its shape."""
    try:
        return Dataset.load(find_prepared("gowalla-lightgcn"))
    except UsageError:
        return shape_of_gowalla()


def step_of(data: Dataset, loss: str, against: str) -> Step:
    """Steps of a loss on LightGCN with its defaults, in its first epoch."""
    of_loss = base.resolve(LOSSES.get(loss), {"against": against} if against else {})
    values = settings.prefixed("loss", of_loss) | settings.prefixed("backbone", settings.defaults(LightGCN))
    model = build(data, loss, "lightgcn", values, seed=0, schedule=Schedule(lr=1e-3))
    model.start_epoch(1)
    return recbench_step(data, model, BATCH)


def main() -> None:
    """Print triplets per second and seconds an epoch."""
    keep_freed_memory()
    data = gowalla()
    rows = len(data.train)
    print(f"{data.name}: {rows:,} positives, batch {BATCH}, dimension {DIM}, {torch.get_num_threads()} threads")
    print(f"load before: {os.getloadavg()[0]:.1f}")
    steps = {f"{loss} {against}".strip(): step_of(data, loss, against) for loss, against in METHODS}
    shown("lightgcn, 3 layers", side_by_side(steps, each=2, rounds=8), "bpr", rows)
    print(f"load after: {os.getloadavg()[0]:.1f}; peak memory of all together {peak():.2f} GiB")


if __name__ == "__main__":
    main()
