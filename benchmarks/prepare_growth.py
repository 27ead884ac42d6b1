"""How `prepare` grows with the rows and the entities of a log, on one core and on two, step by step.

Run `python -m benchmarks.prepare_growth [ROWSxENTITIES …]`, as in `10e6x2e6`. Half of the entities are users and half
items, drawn evenly, so that new ones come until the end; a row is a user, an item, a click and a time, as text. The
prepared data must be the same on one core and on two, and their counts those of the log that was written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

SIZES = ("2e6x2e5", "10e6x2e5", "10e6x2e6", "10e6x10e6", "50e6x2e5", "50e6x10e6")
BLOCK = 2_000_000  # rows that are written at once
START = 1_600_000_000  # seconds
CATALOG = """
[log]
title = "A log of any size"
reader = "table"
files = ["log.csv"]
time = "time"
types = { user = "int", item = "int", click = "int", time = "int" }
feedback = { click = "click = 1" }
user = { key = "user", categorical = ["user"] }
item = { key = "item", categorical = ["item"] }
"""
PREPARE = """
import json, os, sys, time
from pathlib import Path
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: int(sys.argv[2])]))
os.environ["POLARS_MAX_THREADS"] = sys.argv[2]
from recbench.memory import Memory, peak
from recbench.preparation.prepare import prepare
from recbench.progress import Progress

class Steps(Progress):
    def __init__(self):
        self.steps = []
        self.step("before")
    def step(self, what, total=None, unit="bytes"):
        self.steps.append((what, time.perf_counter(), time.process_time()))

steps = Steps()
folder = Path(sys.argv[1])
done = prepare("log", catalog=folder / "log.toml", raw=folder, memory=Memory.parse("12GB"), force=True, progress=steps)
steps.step("end")
pairs = zip(steps.steps, steps.steps[1:])
spent = {what: (after[1] - clock, after[2] - used) for (what, clock, used), after in pairs}
found = done.manifest.counts.found
print(json.dumps([spent, peak(), done.manifest.fingerprint, [found[name] for name in ("rows", "users", "items")]]))
"""


def write_log(path: Path, rows: int, entities: int) -> list[int]:
    """Write a log as text, and return how many rows, users and items are in it."""
    random = np.random.default_rng(0)
    each = entities // 2
    seen = np.zeros((2, each), np.bool_)
    with path.open("wb") as file:
        file.write(b"user,item,click,time\n")
        for first in range(0, rows, BLOCK):
            size = min(BLOCK, rows - first)
            user, item = random.integers(each, size=(2, size))
            seen[0, user] = seen[1, item] = True
            columns = {
                "user": user * 7919 % (1 << 40),
                "item": item * 104_729 % (1 << 40),
                "click": random.random(size) < 0.1,
                "time": START + np.arange(first, first + size) // 16,
            }
            pl.DataFrame(columns).with_columns(pl.col("click").cast(pl.Int8)).write_csv(file, include_header=False)
    return [rows, *seen.sum(1).tolist()]


def measure(rows: int, entities: int, folder: Path) -> None:
    """Write a log, prepare it on one core and on two, and print what each step took."""
    written = write_log(folder / "log.csv", rows, entities)
    (folder / "log.toml").write_text(CATALOG)
    environment = os.environ | {"RECBENCH_HOME": str(folder / "home")}
    fingerprints = set()
    for cores in (1, 2):
        command = [sys.executable, "-c", PREPARE, str(folder), str(cores)]
        answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
        spent, peak, fingerprint, found = json.loads(answer)
        if found != written:
            raise SystemExit(f"{found} rows, users and items were found, {written} written")
        fingerprints.add(fingerprint)
        clock, used = (sum(times[place] for times in spent.values()) for place in (0, 1))
        print(
            f"{rows:>12,} rows  {entities:>11,} entities  {cores} cores  {clock:6.1f} s, {used:6.1f} of processor: "
            f"{used / rows * 1e6:5.2f} µs a row  peak {peak / 2**30:5.2f} GiB"
        )
        steps = (
            f"{what.split(' log')[0]} {clock:.1f}/{used:.1f}" for what, (clock, used) in spent.items() if used > 0.05
        )
        print(f"    {'  '.join(steps)}", flush=True)
    if len(fingerprints) > 1:
        raise SystemExit("one core and two prepare different data")


def main(words: list[str]) -> None:
    """Measure the sizes asked for, or all of them."""
    for word in words or SIZES:
        rows, entities = (int(float(part)) for part in word.split("x"))
        with TemporaryDirectory(prefix="recbench-") as folder:
            measure(rows, entities, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
