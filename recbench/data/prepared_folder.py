"""Prepared folders on disk: written beside, then exchanged, so that they appear complete or not at all.

What is being written lies in `.work/<dataset>/<variant>/` of the home of prepared data: a lock that ends with the
process that holds it, the `new` folder, and for an instant the `old` one where the system cannot exchange folders.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from recbench.data.exchange import exchange
from recbench.data.manifest_file import manifest_path
from recbench.disk import hold_lock, sync
from recbench.errors import DataError, UsageError
from recbench.home import prepared_home

WORK = ".work"


@contextmanager
def replacing(folder: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` when the block ends well.

    A failure leaves `folder` as it was. Another process that replaces the same folder is waited for, after a call of
    `on_wait`. Raises DataError if the disk is full or not writable, and UsageError for a folder that is not
    `<dataset>/<variant>` below the home of prepared data.
    """
    home = prepared_home()
    _require_below(home, folder)
    work = home / WORK / folder.parent.name / folder.name
    try:
        work.mkdir(parents=True, exist_ok=True)
        with hold_lock(work / "lock", on_wait):
            _put_back(work, folder)
            _clean(work)
            (work / "new").mkdir()
            try:
                yield work / "new"
                _publish(work, folder)
            finally:
                _clean(work)
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise DataError(
            f"{folder}: cannot be written ({reason}); free some space, or set RECBENCH_HOME to another folder"
        ) from None


def touch(folder: Path) -> None:
    """Make the folder the most recently prepared one, where it may be written."""
    with suppress(OSError):
        now = time.time_ns()  # finer than the clock by which the kernel stamps what is written
        os.utime(manifest_path(folder), ns=(now, now))


def restore(home: Path) -> None:
    """Put back every folder that was set aside by a process that was killed before its new one took the place."""
    for old in home.glob(f"{WORK}/*/*/old"):
        folder = home / old.parent.parent.name / old.parent.name
        if not folder.exists():
            with suppress(OSError, Timeout), FileLock(old.parent / "lock", timeout=1):
                _put_back(old.parent, folder)


def _require_below(home: Path, folder: Path) -> None:
    """Raise UsageError if `..` or a link in the path leads elsewhere: what is there would be replaced."""
    if folder.resolve().parent.parent != home.resolve():
        raise UsageError(
            f"{folder}: not a folder `<dataset>/<variant>` of {home}; choose names without `/` and `..`, or set "
            "RECBENCH_HOME to another folder"
        )


def _publish(work: Path, folder: Path) -> None:
    """Put the new folder in the place of `folder`, all its content being on disk."""
    new, old = work / "new", work / "old"
    for path in sorted(new.rglob("*")):
        sync(path)
    sync(new)
    touch(new)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        new.rename(folder)
    elif not exchange(new, folder):
        try:
            folder.rename(old)
            new.rename(folder)
        finally:
            _put_back(work, folder)
    sync(folder.parent)


def _put_back(work: Path, folder: Path) -> None:
    old = work / "old"
    if old.exists() and not folder.exists():
        old.rename(folder)


def _clean(work: Path) -> None:
    """Remove what this or a killed process left."""
    for name in ("new", "old"):
        shutil.rmtree(work / name, ignore_errors=True)
        with suppress(OSError):  # a file where the folder was expected
            (work / name).unlink()
