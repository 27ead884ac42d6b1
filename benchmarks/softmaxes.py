"""What an epoch of the losses on many sampled negatives costs beside BPR, on MF at the shape of Gowalla.

LightGCN's Gowalla where `recbench prepare gowalla-lightgcn` has been run, else a log of its shape; dimension 64, batch
1024, defaults. The losses take turns, so that all see the same neighbours on the machine; one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from benchmarks.collaborative import shape_of_gowalla
from recbench import settings
from recbench.backbones.mf import MF
from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import UsageError
from recbench.losses import LOSSES
from recbench.losses.base import resolve
from recbench.training.allocator import keep_freed_memory
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule

BATCH, STEPS, ROUNDS = 1024, 8, 5
NAMES = ("bpr", "ssm", "bsl", "psl", "sl-at-k", "adv-infonce", "llpauc", "bpr-max", "lambdaloss-at-k")
OWN = {"source": "own", "negatives": "1000"}


def gowalla() -> Dataset:
    """The prepared log, or a random one of its shape."""
    try:
        return Dataset.load(find_prepared("gowalla-lightgcn"))
    except UsageError:
        return shape_of_gowalla()


def made(data: Dataset, loss: str, **words: str) -> Model:
    """An untrained model of recbench."""
    values = settings.prefixed("loss", resolve(LOSSES.get(loss), words))
    return build(data, loss, "mf", values | settings.prefixed("backbone", settings.defaults(MF)), 0, Schedule(lr=1e-3))


def batches(model: Model, data: Dataset) -> Iterator[Batch]:
    """Yield batches without end."""
    generator = torch.Generator().manual_seed(0)
    while True:
        yield from model.loss.sampler.batches(data, BATCH, generator)


def main() -> None:
    """Print processor time of a step, of an epoch, and of the two against BPR's."""
    torch.set_num_threads(1)
    keep_freed_memory()
    data = gowalla()
    cases = {name: made(data, name) for name in NAMES}
    cases["ssm, 1,000 of one's own"] = made(data, "ssm", **OWN)
    streams = {name: batches(model, data) for name, model in cases.items()}
    seconds, refresh = dict.fromkeys(cases, 0.0), dict.fromkeys(cases, 0.0)
    for turn in range(ROUNDS + 1):  # the first warms up
        for name, model in cases.items():
            started = time.process_time()
            if turn == 1:
                model.start_epoch(1)
            refresh[name] += time.process_time() - started if turn == 1 else 0
            started = time.process_time()
            for batch in (next(streams[name]) for _ in range(STEPS)):
                model.loss.step(model.backbone, batch, model.optimizer)
            seconds[name] += time.process_time() - started if turn else 0
    print(f"{data.name}: {len(data.train):,} positives, batch {BATCH}, processor time of one thread")
    for name in cases:
        step, base = seconds[name] / STEPS / ROUNDS, seconds["bpr"] / STEPS / ROUNDS
        epoch = step * len(data.train) / BATCH
        start = f", {refresh[name]:.1f} s before an epoch" if refresh[name] > 0.05 else ""
        print(f"{name:26} {step * 1e3:6.1f} ms a step, {epoch:6.1f} s an epoch, {step / base:5.1f} times BPR{start}")


if __name__ == "__main__":
    main()
