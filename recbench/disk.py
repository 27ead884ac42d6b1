"""Files that several processes share: locks, digests, and what is on the disk for sure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def hold_lock(path: Path, on_wait: Callable[[], None], *, remove: bool = False) -> Iterator[None]:
    """Hold the lock of this path, which ends with the process; `on_wait` is called if another one holds it.

    With `remove`, its file is taken away in the end.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        if remove:
            path.unlink(missing_ok=True)  # while it is held: who waits for it notices, and locks the new file
        lock.release()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
