"""Prepared folders on disk: written beside, then renamed, so that they appear complete or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recbench.data.manifest_file import manifest_path
from recbench.errors import DataError, UsageError
from recbench.home import prepared_home


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` when the block ends well.

    A failure leaves `folder` as it was. Raises DataError if the disk is full or not writable, and UsageError for a
    folder that is not `<dataset>/<variant>` below the home of prepared data.
    """
    _require_below(prepared_home(), folder)
    temporary = _beside(folder, "tmp", os.getpid())
    try:
        _clean(folder)
        temporary.mkdir(parents=True)
        yield temporary
        for path in sorted(temporary.rglob("*")):
            _sync(path)
        _sync(temporary)
        folder.parent.mkdir(parents=True, exist_ok=True)
        touch(temporary)
        _publish(temporary, folder)
        _sync(folder.parent)
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise DataError(
            f"{folder}: cannot be written ({reason}); free some space, or set RECBENCH_HOME to another folder"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def touch(folder: Path) -> None:
    """Make the folder the most recently prepared one, where it may be written."""
    with suppress(OSError):
        now = time.time_ns()  # finer than the clock by which the kernel stamps what is written
        os.utime(manifest_path(folder), ns=(now, now))


def restore(prepared: Path) -> None:
    """Put back every folder that a process set aside and was killed before it could put the new one in its place."""
    for aside in prepared.glob(".old+*+*+*"):
        _, dataset, split, process = aside.name.split("+")
        folder = prepared / dataset / split
        if not folder.exists() and process.isdigit() and not _alive(int(process)):
            with suppress(OSError):
                aside.rename(folder)


def _require_below(home: Path, folder: Path) -> None:
    """Raise UsageError if `..` or a link in the path leads elsewhere: what is there would be replaced."""
    if folder.resolve().parent.parent != home.resolve():
        raise UsageError(
            f"{folder}: not a folder `<dataset>/<variant>` of {home}; choose names without `/` and `..`, or set "
            "RECBENCH_HOME to another folder"
        )


def _beside(folder: Path, kind: str, process: int | str) -> Path:
    # One level up, where no dataset folder is looked for: a complete but unpublished one is never found.
    return folder.parent.parent / f".{kind}+{folder.parent.name}+{folder.name}+{process}"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _publish(temporary: Path, folder: Path) -> None:
    aside = _beside(folder, "old", os.getpid())
    try:
        while True:  # another process may publish between the two renames: the last one wins
            try:
                temporary.rename(folder)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            shutil.rmtree(aside, ignore_errors=True)
            with suppress(FileNotFoundError):
                folder.rename(aside)
    finally:
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)


def _clean(folder: Path) -> None:
    """Remove what killed processes left, and put back a folder that one of them had set aside."""
    restore(folder.parent.parent)
    for kind in ("old", "tmp"):
        for path in folder.parent.parent.glob(_beside(folder, kind, "*").name):
            process = path.name.rpartition("+")[2]
            if process.isdigit() and not _alive(int(process)):
                shutil.rmtree(path, ignore_errors=True)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
