"""Seconds of `recbench --help`, and of preparing the synthetic dataset (and ml-1m, where its raw files are)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time

from recbench.errors import RecbenchError
from recbench.home import raw_home


def seconds(*words: str, home: str | None = None) -> float:
    """Return the wall time of a command."""
    environment = os.environ | ({"RECBENCH_HOME": home} if home else {})
    command = [sys.executable, "-c", "from recbench.cli import entry; entry()", *words]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def main() -> None:
    """Print the best of five for `--help`, and one run of each prepare into an empty folder."""
    print(f"--help               {min(seconds('--help') for _ in range(5)):.2f} s")
    home = tempfile.mkdtemp()
    try:
        print(f"prepare synthetic    {seconds('prepare', 'synthetic', home=home):.2f} s")
        raw = os.environ.get("ML1M_RAW", str(raw_home("ml-1m")))
        try:
            print(f"prepare ml-1m        {seconds('prepare', 'ml-1m', '--raw', raw, home=home):.2f} s")
        except (subprocess.CalledProcessError, RecbenchError):
            print(f"prepare ml-1m        skipped: no raw files in {raw}; set ML1M_RAW")
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
