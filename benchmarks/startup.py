"""Seconds of `recbench --help`, and of preparing the synthetic dataset (and ml-1m, where its raw files are).

Then of training an epoch on the synthetic dataset and of evaluating the run, beside those of importing torch, which
are the bound of what starting can take. `python -m benchmarks.startup CHECKOUT` measures these of the code in another
folder too, in turn: before and after in one run, say of `git worktree add CHECKOUT COMMIT`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from recbench.errors import RecbenchError
from recbench.home import raw_home

HERE = Path(__file__).parents[1]
RECBENCH = ("-c", "from recbench.cli import entry; entry()")
ROUNDS = 3


def seconds(*words: str, home: str | None = None) -> float:
    """Return the wall time of a command."""
    return cost(*RECBENCH, *words, home=home)[0]


def cost(*arguments: str, home: str | None = None, code: Path = HERE) -> tuple[float, float]:
    """Return the wall time and the processor time of Python with these arguments and the code of a folder."""
    environment = os.environ | {"PYTHONPATH": str(code)}
    environment |= {"RECBENCH_HOME": home, "RECBENCH_RESULTS": f"{home}/results"} if home else {}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment, cwd=code)
    clock, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def print_training(homes: Mapping[Path, str]) -> None:
    """Print the best of some rounds for an epoch of training and for evaluating it; a round is a run of its own.

    `homes` are of each code, with the synthetic dataset as that code prepared it.
    """
    best: dict[tuple[str, Path], tuple[float, float]] = {}
    for seed in range(ROUNDS):
        for code, home in homes.items():
            for name, words in {
                "import torch": ("-c", "import torch"),
                "train --epochs 1": (*RECBENCH, "train", "--loss", "bce", "--epochs", "1", "--seed", str(seed)),
                "eval": (*RECBENCH, "eval", "--metric", "auc"),  # in the first round with the baselines beside it
            }.items():
                taken = cost(*words, home=home, code=code)
                before = best.get((name, code), taken)
                best[name, code] = min(before[0], taken[0]), min(before[1], taken[1])
    for (name, code), (clock, processor) in sorted(best.items()):
        of = f", {code}" if len(homes) > 1 else ""
        print(f"{name:21}{clock:.2f} s, of processor time {processor:.2f} s{of}")


def main(others: Sequence[Path] = ()) -> None:
    """Print the best of five for `--help`, one run of each prepare into an empty folder, and training."""
    print(f"--help               {min(seconds('--help') for _ in range(5)):.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        homes = {code: f"{folder}/{number}" for number, code in enumerate([HERE, *others])}
        for code, home in homes.items():
            clock, _ = cost(*RECBENCH, "prepare", "synthetic", home=home, code=code)
            if code == HERE:
                print(f"prepare synthetic    {clock:.2f} s")
        print_training(homes)
        raw = os.environ.get("ML1M_RAW", str(raw_home("ml-1m")))
        try:
            print(f"prepare ml-1m        {seconds('prepare', 'ml-1m', '--raw', raw, home=homes[HERE]):.2f} s")
        except (subprocess.CalledProcessError, RecbenchError):
            print(f"prepare ml-1m        skipped: no raw files in {raw}; set ML1M_RAW")


if __name__ == "__main__":
    main([Path(word).resolve() for word in sys.argv[1:]])
