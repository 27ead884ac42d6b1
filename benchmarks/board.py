"""Seconds and memory of `recbench leaderboard` on 10,000 records: those of `results/`, with more settings and seeds.

Beside it the page of the same records, as a multiple of the table in the terminal.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from recbench.results.store import Store

RECORDS = 10_000
SEEDS = 25  # runs of one method


def fill(store: Store, source: Store) -> None:
    """Write the records with their evaluations, so that each method has as many seeds."""
    runs = [(record, evaluations) for record, evaluations in source.runs() if evaluations]
    for method, (record, evaluations) in enumerate(islice(cycle(runs), RECORDS // SEEDS)):
        settings = {**record.key.settings, "train.lr": 1e-6 * (method + 1)}
        for seed in range(SEEDS):
            key = replace(record.key, seed=seed, settings=settings)
            store.write_record(replace(record, key=key, non_default={"train.lr": settings["train.lr"]}))
            for evaluation in evaluations:
                store.add_evaluation(key, replace(evaluation, run=key.digest))


def main() -> None:
    """Print the wall time of three commands and the most memory that one took."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        fill(store, Store(Path("results")))
        files = sum(1 for _ in Path(folder).rglob("*.json"))
        table = [timed(folder, *words) for words in [()] * 3]
        page = timed(folder, "--format", "html", "-o", f"{folder}/board.html")
        size = Path(folder, "board.html").stat().st_size / 2**20
        for took, peak in table:
            print(f"leaderboard, {RECORDS:,} records, {files:,} files    {took:.1f} s    {peak} MiB")
        print(f"its page of {size:.1f} MiB    {page[0] / min(table)[0]:.1f} times as long")


def timed(folder: str, *words: str) -> tuple[float, int]:
    """Return the seconds of one `recbench leaderboard` and the most memory of any so far, in MiB."""
    command = [sys.executable, "-m", "recbench", "leaderboard", *words]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"RECBENCH_RESULTS": folder})
    took = time.perf_counter() - started
    return took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


if __name__ == "__main__":
    main()
