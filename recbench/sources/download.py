"""Downloads: resumed after any break, checked before they get their name, from the first mirror that delivers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from recbench.disk import hold_lock
from recbench.errors import DataError, UsageError
from recbench.progress import Progress
from recbench.sources.dataset_spec import RemoteFile
from recbench.sources.mirror import BLOCK, DownloadJob, MirrorError, can_resume, hidden_path, transfer
from recbench.sources.unpack import disk_refused, publish

TRIES = 4  # in a row that bring nothing new, before the next mirror
PAUSE = 1.0  # seconds before the second try in a row, doubled for each further one


def fetch(remote: RemoteFile, folder: Path, progress: Progress | None = None) -> Path:
    """Return `folder / remote.file`, downloaded if it is not there yet and checked in any case.

    A broken or killed download goes on where it stopped, also in a later process; of two processes that want one
    file the second waits. Mirrors are tried in their order. `RECBENCH_OFFLINE=1` forbids connections; proxies are
    those of the environment. Raises UsageError for a file or address that cannot be meant, and DataError if the file
    there is wrong (it is left as it is), no mirror delivers, or the disk is full.
    """
    _check_remote(remote)
    job = DownloadJob(remote, folder / remote.file, progress or Progress())
    try:
        if _is_complete(job):
            return job.path
        if os.environ.get("RECBENCH_OFFLINE", "0") not in ("", "0"):
            raise DataError(
                f"{job.path}: not there, and RECBENCH_OFFLINE forbids to download it; get {remote.urls[0]} on another "
                f"machine and put it into {folder}, or unset RECBENCH_OFFLINE"
            )
        folder.mkdir(parents=True, exist_ok=True)
        waiting = f"waiting for another process: {remote.file}"
        with hold_lock(hidden_path(job.path, "lock"), lambda: job.progress.step(waiting)):
            if not _is_complete(job):
                _download(job)
    except OSError as error:  # of the disk; those of the network become MirrorError
        raise disk_refused(job.path, error) from None
    return job.path


def _check_remote(remote: RemoteFile) -> None:
    if Path(remote.file).name != remote.file or remote.file in ("", ".."):
        raise UsageError(f"download: `{remote.file}` is no file name; name the file without a folder")
    if not remote.urls:
        raise UsageError(f"download: {remote.file} has no `urls`; give at least one")
    for url in remote.urls:
        if not re.fullmatch(r"https?://[\w.\[:-][!-~]*", url, re.ASCII):
            raise UsageError(f"download: {remote.file} cannot come from `{url}`; use an http:// or https:// address")


def _is_complete(job: DownloadJob) -> bool:
    """Raise DataError if the file is there but wrong: only its owner may throw it away."""
    if not job.path.exists():
        return False
    fault = _find_fault(job, job.path) if job.path.is_file() else "is no file"
    if fault is not None:
        raise DataError(f"{job.path}: {fault}; move it away and run again to download it")
    return True


def _find_fault(job: DownloadJob, path: Path) -> str | None:
    """Return what is wrong with a file. The digests of a right one are kept, so that it is read only once."""
    stat = path.stat()
    if job.remote.bytes not in (None, stat.st_size):
        return f"has {stat.st_size:,} bytes, not {job.remote.bytes:,}"
    if not job.digests:
        return None
    marker, seen = hidden_path(job.path, "ok"), {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    with suppress(OSError, ValueError):
        if json.loads(marker.read_bytes()) == seen | job.digests:
            return None
    digests = _digests(job, path)
    for name, digest in job.digests.items():
        if digests[name] != digest:
            return f"has the {name} {digests[name][:12]}…, not {digest[:12]}…"
    with suppress(OSError):  # a folder that may only be read: it is read again next time
        marker.write_text(json.dumps(seen | digests))
    return None


def _digests(job: DownloadJob, path: Path) -> dict[str, str]:
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in job.digests}
    job.progress.step(f"checking {job.remote.file}", path.stat().st_size)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            for running in hashes.values():
                running.update(block)
            job.progress.advance(len(block))
    return {name: running.hexdigest() for name, running in hashes.items()}


def _download(job: DownloadJob) -> None:
    failures = []
    for url in job.remote.urls:
        try:
            _from_mirror(job, url)
        except MirrorError as error:
            failures.append(f"{url}: {error}")
        else:
            publish(job.part, job.path)
            hidden_path(job.path, "part.json").unlink(missing_ok=True)
            return
    raise DataError(
        f"{job.remote.file}: no mirror delivered it ({'; '.join(failures)}); run again to go on, or get "
        f"{job.remote.urls[0]} by hand and put it into {job.path.parent}"
    )


def _from_mirror(job: DownloadJob, url: str) -> None:
    """Leave the whole and right file in the part file, or raise MirrorError."""
    most, tries = job.size, 0
    while True:
        try:
            whole = not (can_resume(job, url) and job.size == job.total) and transfer(job, url)
            fault = _find_fault(job, job.part)
            if fault is None:
                return
            job.discard()
            raise MirrorError(fault, again=not whole)  # what was put together may be right when it comes at once
        except MirrorError as error:
            # A server that starts over each time brings bytes, but nothing new.
            tries = 1 if job.size > most else tries + 1
            most = max(most, job.size)
            if not error.again or tries >= TRIES:
                raise
            wait = PAUSE * 2 ** (tries - 1) if error.wait is None else error.wait
            job.progress.step(f"{url}: {error}; trying again in {wait:.0f} s")
            time.sleep(wait)
