"""Whole `train` processes, alone and beside two busy ones, by how threads wait for each other.

Rates are of the training steps, from the record; seconds are of the process. `python -m benchmarks threads`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

POLICIES = {
    "libgomp's default, 300,000 turns": {"GOMP_SPINCOUNT": "300000"},
    "10,000 turns": {"GOMP_SPINCOUNT": "10000"},
    "1,000 turns": {"GOMP_SPINCOUNT": "1000"},
    "asleep at once": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
COMMAND = ("train", "--loss", "bce", "--backbone", "twintower", "--epochs", "2")
REPEATS = 3
ENTRY = "from recbench.cli import entry; entry()"
CLEARED = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep so many cores busy."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def run(home: Path, words: tuple[str, ...], policy: dict[str, str]) -> tuple[float, float]:
    """Return the seconds of a command and the rows per second of the run that it trains, 0 if it trains none."""
    with tempfile.TemporaryDirectory() as results:
        environment = {name: value for name, value in os.environ.items() if name not in CLEARED}
        environment |= {"RECBENCH_HOME": str(home), "RECBENCH_RESULTS": results, **policy}
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", ENTRY, *words], env=environment, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        rates = [json.loads(path.read_text())["rows_per_second"] for path in Path(results).rglob("record.json")]
        return seconds, rates[0] if rates else 0.0


def main() -> None:
    """Print a line per policy, interleaved over the repeats."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        run(home, ("prepare", "synthetic", "--rows", "60000"), {})
        measured: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for _ in range(REPEATS):
            for count in (0, 2):
                with neighbours(count):
                    for name, policy in POLICIES.items():
                        measured.setdefault((name, count), []).append(run(home, COMMAND, policy))
    print(f"{'threads':<34}{'alone: s':>10}{'k rows/s':>10}{'beside two: s':>15}{'k rows/s':>10}")
    for name in POLICIES:
        figures = [
            (median(s for s, _ in runs), median(r for _, r in runs)) for runs in (measured[name, 0], measured[name, 2])
        ]
        (seconds, rate), (busy_seconds, busy_rate) = figures
        print(f"{name:<34}{seconds:>10.1f}{rate / 1000:>10.0f}{busy_seconds:>15.1f}{busy_rate / 1000:>10.0f}")


if __name__ == "__main__":
    main()
