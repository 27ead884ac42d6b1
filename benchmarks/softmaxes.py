"""What an epoch of the losses on many sampled negatives costs beside BPR, on MF at the shape of Gowalla.

LightGCN's Gowalla where `recbench prepare gowalla-lightgcn` has been run, else a log of its shape; dimension 64, batch
1024, defaults. The losses take turns, so that all see the same neighbours on the machine; one thread.
"""

from __future__ import annotations

import time

import torch

from benchmarks.collaborative import gowalla
from benchmarks.steps import recbench_step, untrained
from recbench.training.allocator import keep_freed_memory

BATCH, STEPS, ROUNDS = 1024, 8, 5
NAMES = ("bpr", "ssm", "bsl", "psl", "sl-at-k", "adv-infonce", "llpauc", "bpr-max", "lambdaloss-at-k")
OWN = ("loss.source=own", "loss.negatives=1000")


def main() -> None:
    """Print processor time of a step, of an epoch, and of the two against BPR's."""
    torch.set_num_threads(1)
    keep_freed_memory()
    data = gowalla("gowalla-lightgcn")
    cases = {name: untrained(data, name, "mf") for name in NAMES}
    cases["ssm, 1,000 of one's own"] = untrained(data, "ssm", "mf", OWN)
    steps = {name: recbench_step(data, model, BATCH) for name, model in cases.items()}
    seconds, refresh = dict.fromkeys(cases, 0.0), dict.fromkeys(cases, 0.0)
    for turn in range(ROUNDS + 1):  # the first warms up
        for name, model in cases.items():
            started = time.process_time()
            if turn == 1:
                model.start_epoch(1)
            refresh[name] += time.process_time() - started if turn == 1 else 0
            started = time.process_time()
            for _ in range(STEPS):
                steps[name]()
            seconds[name] += time.process_time() - started if turn else 0
    print(f"{data.name}: {len(data.train):,} positives, batch {BATCH}, processor time of one thread")
    for name in cases:
        step, base = seconds[name] / STEPS / ROUNDS, seconds["bpr"] / STEPS / ROUNDS
        epoch = step * len(data.train) / BATCH
        start = f", {refresh[name]:.1f} s before an epoch" if refresh[name] > 0.05 else ""
        print(f"{name:26} {step * 1e3:6.1f} ms a step, {epoch:6.1f} s an epoch, {step / base:5.1f} times BPR{start}")


if __name__ == "__main__":
    main()
