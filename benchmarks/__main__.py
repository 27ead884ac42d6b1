"""Run the benchmarks: `python -m benchmarks [name …]`; without names, those that take a minute or two.

`gpu` takes words of its own: `python -m benchmarks gpu --out DIR`.
"""

from __future__ import annotations

import subprocess
import sys

QUICK = ("startup", "board", "gauc", "training", "search")
LONG = (
    "prepare",
    "prepare_growth",
    "collaborative",
    "epochs",
    "losses",
    "softmaxes",
    "views",
    "synthetic",
    "kuairand",
    "ml1m",
    "threads",
    "tables",
    "slates",
    "lanes",
)  # ten minutes to an hour, on data prepared before


def main(names: list[str]) -> int:
    """Run each in a process of its own, so that peaks of memory and threads do not mix."""
    if names[:1] == ["gpu"]:
        return subprocess.run([sys.executable, "-m", "benchmarks.gpu", *names[1:]], check=False).returncode
    unknown = set(names) - set(QUICK + LONG)
    if unknown:
        print(
            f"unknown benchmark {', '.join(sorted(unknown))}; known: {', '.join((*QUICK, *LONG, 'gpu'))}",
            file=sys.stderr,
        )
        return 2
    for name in names or QUICK:
        print(f"\n== {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
