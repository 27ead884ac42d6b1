"""Speed and memory of `prepare` on facsimiles of the large datasets. Run `python -m benchmarks.prepare [name=rows …]`.

Each facsimile is written into a temporary folder (the largest takes about 5 GB), prepared by a process of its own, and
its counts are compared with those that the generator knows. The bound beside Ali-CCP's rate is what polars alone takes
to read the same skeleton file and extract four fields of its packed lists, nothing else, in the same run.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from recbench.data.manifest import Manifest
from recbench.data.manifest_file import read_manifest
from tests import facsimile

SIZES = {"aliccp": (2_000_000, 10_000_000), "kuairand-1k": (2_000_000, 11_700_000), "ml-20m": (20_000_000,)}
KEPT = {"aliccp": "frequent", "kuairand-1k": "tab_1"}  # what the default rule leaves
MEMORY = "4GB"
FIELDS = ("205", "206", "207", "216")
CODE = """
import sys
from pathlib import Path
from recbench.memory import Memory
from recbench.preparation.prepare import prepare
done = prepare(sys.argv[1], raw=Path(sys.argv[2]), memory=Memory.parse(sys.argv[3]), force=True)
print(done.folder)
"""


def bound(path: Path) -> float:
    """Return the rows per second at which polars alone extracts four fields of an Ali-CCP skeleton file."""
    packed = pl.col("packed")
    started = time.perf_counter()
    lines = pl.scan_csv(path, glob=False, has_header=False, new_columns=["id", "click", "buy", "common", "n", "packed"])
    fields = [packed.str.extract(rf"(?:^|\\x01){name}\\x02([^\\x03]*)\\x03").alias(name) for name in FIELDS]
    sums = [pl.col(name).cast(pl.Int64).sum() for name in FIELDS]  # so that nothing is left undone
    rows = lines.select("click", "buy", *fields).select(pl.len().alias("rows"), *sums)
    return int(rows.collect(engine="streaming").item(0, "rows")) / (time.perf_counter() - started)


def packed_size(files: list[Path]) -> int:
    """Return the bytes of the files as gzip writes them, judged by the first 32 MB of each."""
    total = 0.0
    for path in files:
        with path.open("rb") as file:
            start = file.read(32 << 20)
        total += path.stat().st_size * len(gzip.compress(start, 6)) / len(start)
    return round(total)


def measure(name: str, rows: int, folder: Path) -> None:
    """Write, prepare and check one facsimile, and print one line."""
    raw = folder / "raw"
    known = facsimile.write(name, raw, rows)
    files = [path for path in raw.rglob("*") if path.is_file()]
    command = [sys.executable, "-c", CODE, name, str(raw), MEMORY]
    environment = os.environ | {"RECBENCH_HOME": str(folder / "home")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    prepared = Path(done.stdout.decode().strip())
    manifest = read_manifest(prepared)
    cost = manifest.cost
    disk = sum(path.stat().st_size for path in prepared.rglob("*") if path.is_file())
    text = sum(path.stat().st_size for path in files)
    line = (
        f"{name:12} {rows:>12,} rows {text / 1e9:5.2f} GB text  {cost.seconds:6.1f} s "
        f"{rows / cost.seconds / 1e3:6.0f}k rows/s  peak {cost.peak_bytes / 2**30:.2f} GiB  "
        f"{disk / 1e6:7.1f} MB prepared, {disk / packed_size(files):.2f} of the raw files packed"
    )
    if name == "aliccp":
        skeleton = next(path for path in files if path.name == "sample_skeleton_train.csv")
        line += f"  (polars alone, four fields: {bound(skeleton) / 1e3:.0f}k rows/s)"
    print(line, flush=True)
    check(manifest, known.kept.get(KEPT.get(name, ""), known.log))


def check(manifest: Manifest, counts: facsimile.Counts) -> None:
    """Fail unless the prepared data have the counts that the generator knows."""
    found = manifest.counts.found
    wrong = {name: count for name, count in counts.positives.items() if found.get(name, count) != count}
    if found["rows"] != sum(counts.rows.values()) or wrong:
        raise SystemExit(f"{manifest.dataset}: {found} is not what was written, {counts}")


def main(words: list[str]) -> None:
    """Measure the sizes asked for, or all of them."""
    sizes = [(name, rows) for name, counts in SIZES.items() for rows in counts]
    if words:
        sizes = [(name, int(float(rows))) for name, rows in (word.split("=") for word in words)]
    for name, rows in sizes:
        with TemporaryDirectory(prefix="recbench-") as folder:
            measure(name, rows, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
