"""`prepare` killed or out of disk at any moment: what was prepared before stays, and nothing partial is left."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recbench.data.content import fingerprint, verify_files
from recbench.data.manifest_file import read_manifest, schema
from recbench.data.prepared_datasets import find_prepared
from recbench.preparation.prepare import TABLES, Variant, prepare

ROWS = 60_000
VARIANT = Variant(ratio=(8, 1, 1))
AGAIN = (
    "from recbench.preparation.prepare import Variant, prepare; "
    f"prepare('synthetic', Variant(ratio=(8, 1, 1)), rows={ROWS}, seed=1, force=True)"
)


def complete(folder: Path) -> str:
    """Check that the folder is whole, and return its fingerprint."""
    manifest = read_manifest(folder)
    assert fingerprint(schema(manifest), folder, TABLES) == manifest.fingerprint
    verify_files(folder, manifest.files)
    assert not (folder / "work").exists()
    return manifest.fingerprint


def test_kills_at_random_moments(tmp_path: Path) -> None:
    first = prepare("synthetic", VARIANT, rows=ROWS).manifest.fingerprint
    home = find_prepared("synthetic").parent.parent
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", AGAIN], check=True)
    took = time.monotonic() - started
    second = complete(find_prepared("synthetic"))
    assert second != first
    prepare("synthetic", VARIANT, rows=ROWS)
    moments = random.Random(0)
    died = tries = 0
    while died < 5 and tries < 40:  # some are through before they are killed, depending on what else the machine does
        tries += 1
        process = subprocess.Popen([sys.executable, "-c", AGAIN], stderr=subprocess.DEVNULL)
        time.sleep(took * moments.uniform(0.3, 1.0))
        process.kill()
        died += process.wait() == -9
        assert complete(find_prepared("synthetic")) in (first, second)
    assert died >= 5
    prepare("synthetic", VARIANT, rows=ROWS, force=True)
    assert complete(find_prepared("synthetic")) == first
    assert {path.name for path in home.iterdir()} == {"synthetic", ".work"}
    assert [path.name for path in (home / "synthetic").iterdir()] == ["global+8-1-1"]


@pytest.mark.parametrize("limit", [20_000, 300_000, 1_000_000])
def test_disk_full_in_mid_write(limit: int) -> None:
    first = prepare("synthetic", rows=ROWS).manifest
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "import sys; from recbench.cli import entry\n"
        f"sys.argv = ['recbench', 'prepare', 'synthetic', '--rows', '{ROWS}', '--seed', '1', '--force']; entry()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    folder = find_prepared("synthetic")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"error: {folder}: cannot be written (") and done.stderr.count("\n") == 1
    assert "File too large" in done.stderr and "free some space" in done.stderr
    assert complete(folder) == first.fingerprint and read_manifest(folder) == first
    assert {path.name for path in folder.parent.parent.iterdir()} == {"synthetic", ".work"}
