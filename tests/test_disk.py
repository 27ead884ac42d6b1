from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from recbench.disk import hold_lock, sha256_of


def test_who_waits_says_so(tmp_path: Path) -> None:
    path, events = tmp_path / "lock", []
    code = f"from filelock import FileLock; lock = FileLock({str(path)!r}); lock.acquire(); print(flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()

        def waits() -> None:
            events.append("waiting")
            holder.kill()  # whose lock ends with it

        with hold_lock(path, waits):
            events.append("held")
    with hold_lock(path, waits):
        events.append("held again")
    assert path.exists()
    with hold_lock(path, waits, remove=True):
        assert path.exists()
    assert not path.exists()
    assert events == ["waiting", "held", "held again"]


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content" * 100_000)
    assert sha256_of(tmp_path / "file") == sha256(b"content" * 100_000).hexdigest()
