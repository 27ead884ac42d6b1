"""How long an epoch takes, loss by loss and backbone by backbone, beside BPR on matrix factorisation.

On `recbench prepare gowalla-lightgcn`, 64 dimensions, batch 1024, one thread, by processor time, so that what else the
machine does matters little: the steps of SECONDS of it, after a few to warm up, scaled to all rows of the epoch.
"""

from __future__ import annotations

import time

from benchmarks.steps import epoch_seconds, on_one_thread, recbench_step, untrained

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


def main() -> None:
    """Print a line for each method."""
    data = on_one_thread("gowalla-lightgcn")
    of_bpr = 0.0
    for method in METHODS:
        began = time.process_time()
        loss, backbone, *words = method.split()
        model = untrained(data, loss, backbone, words)
        model.start_epoch(1)
        built = time.process_time() - began
        step = recbench_step(data, model, BATCH)
        for _ in range(WARM_UP):
            step()
        seconds = epoch_seconds(step, model.loss.sampler.rows(data), SECONDS)
        of_bpr = of_bpr or seconds
        print(f"{method:66} {seconds:7.1f} s {seconds / of_bpr:7.1f}   built in {built:.1f} s", flush=True)


if __name__ == "__main__":
    main()
