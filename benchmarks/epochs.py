"""How long an epoch takes, loss by loss and backbone by backbone, beside BPR on matrix factorisation.

On `recbench prepare gowalla-lightgcn`, 64 dimensions, batch 1024, one thread, by processor time, so that what else the
machine does matters little: the steps of SECONDS of it, after a few to warm up, scaled to all rows of the epoch.
"""

from __future__ import annotations

import sys
import time

import torch

from benchmarks.steps import recbench_step, untrained
from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import UsageError
from recbench.training.allocator import keep_freed_memory
from recbench.training.model import Model

BATCH = 1024
SECONDS = 4.0
WARM_UP = 3  # steps
OWN = "loss.source=own loss.negatives=100"
METHODS = (
    "bpr mf",
    "directau mf",
    "mawu mf",
    "ccl mf",
    f"ccl mf {OWN}",
    "cml mf",
    "relmf mf",
    "nbpo mf",
    "ultragcn mf",
    f"ultragcn mf {OWN}",
    "bpr gmf",
    "bpr simplex",
    "bpr simplex backbone.aggregate=user-attention",
    "bpr lightgcn",
    "bpr ngcf",
)


def epoch_seconds(data: Dataset, model: Model) -> float:
    """Processor time of an epoch."""
    step = recbench_step(data, model, BATCH)
    for _ in range(WARM_UP):
        step()
    began, rows = time.process_time(), 0
    while time.process_time() - began < SECONDS:
        rows += step()
    return (time.process_time() - began) * model.loss.sampler.rows(data) / rows


def main() -> int:
    """Print a line for each method."""
    try:
        data = Dataset.load(find_prepared("gowalla-lightgcn"))
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    keep_freed_memory()
    of_bpr = 0.0
    for method in METHODS:
        began = time.process_time()
        loss, backbone, *words = method.split()
        model = untrained(data, loss, backbone, words)
        model.start_epoch(1)
        built, seconds = time.process_time() - began, epoch_seconds(data, model)
        of_bpr = of_bpr or seconds
        print(f"{method:66} {seconds:7.1f} s {seconds / of_bpr:7.1f}   built in {built:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
