"""Downloads: resumed after any break, checked before they get their name, from the first mirror that delivers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, IncompleteRead, InvalidURL, responses
from pathlib import Path
from urllib import request
from urllib.error import HTTPError, URLError

import msgspec

import recbench
from recbench.errors import DataError, UsageError
from recbench.progress import Progress
from recbench.sources.catalog import Remote
from recbench.sources.unpack import locked, publish, refused, require_space

STALL = 30.0  # seconds without a byte after which a connection counts as broken
TRIES = 4  # in a row that bring nothing new, before the next mirror
PAUSE = 1.0  # seconds before the second try in a row, doubled for each further one
LONGEST_WAIT = 120.0  # seconds; a mirror that asks for more is left
BLOCK = 1 << 20
AGAIN = (408, 416, 425, 429, 500, 502, 503, 504)  # statuses that pass


class _MirrorError(Exception):
    """One try at a mirror failed; `again` if another one may not, after `wait` seconds if the mirror said so."""

    def __init__(self, reason: str, again: bool = True, wait: float | None = None) -> None:
        super().__init__(reason)
        self.again, self.wait = again, wait


@dataclass(frozen=True)
class _Origin:
    """What the bytes of a partial file are of."""

    url: str
    validator: str | None = None  # ETag or Last-Modified
    total: int | None = None  # bytes of the whole file


@dataclass(frozen=True)
class _Job:
    """One file to download, and where its bytes go until it is whole."""

    remote: Remote
    path: Path
    progress: Progress

    @property
    def part(self) -> Path:
        return _hidden(self.path, "part")

    @property
    def size(self) -> int:
        """Bytes that are there already."""
        return self.part.stat().st_size if self.part.exists() else 0

    @property
    def digests(self) -> dict[str, str]:
        """The digests that the catalogue knows, by algorithm."""
        known = {"sha256": self.remote.sha256, "md5": self.remote.md5}
        return {name: digest.lower() for name, digest in known.items() if digest}

    @property
    def origin(self) -> _Origin:
        try:
            return msgspec.json.decode(_hidden(self.path, "part.json").read_bytes(), type=_Origin)
        except (OSError, msgspec.DecodeError):
            return _Origin("")

    @property
    def total(self) -> int | None:
        """Bytes of the whole file, where the catalogue or the mirror of the partial file told."""
        return self.origin.total if self.remote.bytes is None else self.remote.bytes

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)


def fetch(remote: Remote, folder: Path, progress: Progress | None = None) -> Path:
    """Return `folder / remote.file`, downloaded if it is not there yet and checked in any case.

    A broken or killed download goes on where it stopped, also in a later process; of two processes that want one
    file the second waits. Mirrors are tried in their order. `RECBENCH_OFFLINE=1` forbids connections; proxies are
    those of the environment. Raises UsageError for a file or address that cannot be meant, and DataError if the file
    there is wrong (it is left as it is), no mirror delivers, or the disk is full.
    """
    _check_meant(remote)
    job = _Job(remote, folder / remote.file, progress or Progress())
    try:
        if _is_there(job):
            return job.path
        if os.environ.get("RECBENCH_OFFLINE", "0") not in ("", "0"):
            raise DataError(
                f"{job.path}: not there, and RECBENCH_OFFLINE forbids to download it; get {remote.urls[0]} on another "
                f"machine and put it into {folder}, or unset RECBENCH_OFFLINE"
            )
        folder.mkdir(parents=True, exist_ok=True)
        with locked(_hidden(job.path, "lock"), f"waiting for another process: {remote.file}", job.progress):
            if not _is_there(job):
                _download(job)
    except OSError as error:  # of the disk; those of the network become _MirrorError
        raise refused(job.path, error) from None
    return job.path


def _hidden(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.{suffix}")


def _check_meant(remote: Remote) -> None:
    if Path(remote.file).name != remote.file or remote.file in ("", ".."):
        raise UsageError(f"download: `{remote.file}` is no file name; name the file without a folder")
    if not remote.urls:
        raise UsageError(f"download: {remote.file} has no `urls`; give at least one")
    for url in remote.urls:
        if not re.fullmatch(r"https?://[\w.\[:-][!-~]*", url, re.ASCII):
            raise UsageError(f"download: {remote.file} cannot come from `{url}`; use an http:// or https:// address")


def _is_there(job: _Job) -> bool:
    """Raise DataError if the file is there but wrong: only its owner may throw it away."""
    if not job.path.exists():
        return False
    fault = _fault(job, job.path) if job.path.is_file() else "is no file"
    if fault is not None:
        raise DataError(f"{job.path}: {fault}; move it away and run again to download it")
    return True


def _fault(job: _Job, path: Path) -> str | None:
    """Return what is wrong with a file. The digests of a right one are kept, so that it is read only once."""
    stat = path.stat()
    if job.remote.bytes not in (None, stat.st_size):
        return f"has {stat.st_size:,} bytes, not {job.remote.bytes:,}"
    if not job.digests:
        return None
    marker, seen = _hidden(job.path, "ok"), {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    with suppress(OSError, ValueError):
        if json.loads(marker.read_bytes()) == seen | job.digests:
            return None
    found = _digests(job, path)
    for name, digest in job.digests.items():
        if found[name] != digest:
            return f"has the {name} {found[name][:12]}…, not {digest[:12]}…"
    with suppress(OSError):  # a folder that may only be read: it is read again next time
        marker.write_text(json.dumps(seen | found))
    return None


def _digests(job: _Job, path: Path) -> dict[str, str]:
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in job.digests}
    job.progress.step(f"checking {job.remote.file}", path.stat().st_size)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            for running in hashes.values():
                running.update(block)
            job.progress.advance(len(block))
    return {name: running.hexdigest() for name, running in hashes.items()}


def _download(job: _Job) -> None:
    failures = []
    for url in job.remote.urls:
        try:
            _from_mirror(job, url)
        except _MirrorError as error:
            failures.append(f"{url}: {error}")
        else:
            publish(job.part, job.path)
            _hidden(job.path, "part.json").unlink(missing_ok=True)
            return
    raise DataError(
        f"{job.remote.file}: no mirror delivered it ({'; '.join(failures)}); run again to go on, or get "
        f"{job.remote.urls[0]} by hand and put it into {job.path.parent}"
    )


def _from_mirror(job: _Job, url: str) -> None:
    """Leave the whole and right file in the part file, or raise _MirrorError."""
    most, tries = job.size, 0
    while True:
        try:
            whole = not (_can_go_on(job, url) and job.size == job.total) and _transfer(job, url)
            fault = _fault(job, job.part)
            if fault is None:
                return
            job.discard()
            raise _MirrorError(fault, again=not whole)  # what was put together may be right when it comes at once
        except _MirrorError as error:
            # A server that starts over each time brings bytes, but nothing new.
            tries = 1 if job.size > most else tries + 1
            most = max(most, job.size)
            if not error.again or tries >= TRIES:
                raise
            wait = PAUSE * 2 ** (tries - 1) if error.wait is None else error.wait
            job.progress.step(f"{url}: {error}; trying again in {wait:.0f} s")
            time.sleep(wait)


def _transfer(job: _Job, url: str) -> bool:
    """Write what one answer brings; return whether it brought the file from its first byte on."""
    require_space(job.path.parent, (job.remote.bytes or 0) - job.size, job.remote.file)
    have = job.size if _can_go_on(job, url) else 0
    with _answer(job, url, have) as answer:
        whole = answer.status != HTTPStatus.PARTIAL_CONTENT
        have = 0 if whole else have
        total = answer.length if whole else _range_total(job, answer, have)
        _check_answer(job, answer, total)
        total = job.remote.bytes or total
        require_space(job.path.parent, (total or 0) - job.size, job.remote.file)
        with job.part.open("wb" if whole else "ab") as file:
            told = msgspec.json.encode(_Origin(url, _validator(answer.headers), total))
            _hidden(job.path, "part.json").write_bytes(told)
            job.progress.step(f"downloading {job.remote.file}", total)
            job.progress.advance(have)
            for block in _blocks(answer):
                if total is not None and file.tell() + len(block) > total:
                    job.discard()
                    raise _MirrorError(f"sends more than {total:,} bytes", again=False)
                file.write(block)
                job.progress.advance(len(block))
    if total is not None and job.size < total:
        raise _MirrorError(f"broke off after {job.size:,} of {total:,} bytes")
    return whole


def _can_go_on(job: _Job, url: str) -> bool:
    """Return whether something would tell if the rest from this mirror did not belong to what is there."""
    return bool(job.digests) or (job.origin.url == url and job.origin.validator is not None)


@contextmanager
def _answer(job: _Job, url: str, start: int) -> Iterator[HTTPResponse]:
    """Ask for a file from byte `start` on; the answer has status 200 or 206."""
    headers = {"User-Agent": f"recbench/{recbench.__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if job.origin.url == url and job.origin.validator is not None:
            headers["If-Range"] = job.origin.validator
    try:
        answer: HTTPResponse = _opener().open(request.Request(url, headers=headers), timeout=STALL)
    except HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            job.discard()  # it ends where, or after, the file of the mirror does
        raise _refusal(error) from None
    except (OSError, HTTPException, ValueError) as error:
        raise _broken(error) from None
    with answer:
        if answer.status != HTTPStatus.OK and not (start and answer.status == HTTPStatus.PARTIAL_CONTENT):
            raise _MirrorError(f"answers with the status {answer.status}", again=False)
        yield answer


def _opener() -> request.OpenerDirector:
    """Return what opens http and https addresses, and nothing else, whatever a mirror redirects to."""
    opener = request.OpenerDirector()
    web = request.ProxyHandler(), request.HTTPHandler(), request.HTTPSHandler(), request.UnknownHandler()
    rules = request.HTTPDefaultErrorHandler(), request.HTTPRedirectHandler(), request.HTTPErrorProcessor()
    for handler in (*web, *rules):
        opener.add_handler(handler)
    return opener


def _blocks(answer: HTTPResponse) -> Iterator[bytes]:
    """Yield the body as it comes, encoded or not; raises _MirrorError if it breaks."""
    try:
        while block := answer.read1(BLOCK):
            yield block
    except (OSError, HTTPException) as error:
        raise _broken(error) from None


def _range_total(job: _Job, answer: HTTPResponse, start: int) -> int:
    """Return the bytes of the whole file that a part of it, asked for from `start` on, belongs to."""
    told = re.fullmatch(r"bytes\s+(\d+)-\d+/(\d+)", answer.headers.get("Content-Range", "").strip())
    if told is None or int(told[1]) != start:
        job.discard()
        raise _MirrorError("answers with another part of the file than asked for")
    if job.remote.bytes is None and job.origin.total not in (None, int(told[2])):
        job.discard()
        raise _MirrorError("changed since the download began")
    return int(told[2])


def _check_answer(job: _Job, answer: HTTPResponse, total: int | None) -> None:
    """Raise _MirrorError for an answer that cannot be the file, or of which nobody could tell whether it is whole."""
    if total is not None and job.remote.bytes not in (None, total):
        raise _MirrorError(f"has {total:,} bytes, not {job.remote.bytes:,}", again=False)
    if job.digests or job.remote.bytes is not None:
        return
    if total is None and not answer.chunked:
        raise _MirrorError("does not say how long the file is", again=False)
    packed = answer.headers.get("Content-Encoding", "identity") != "identity"
    if packed and not job.remote.file.endswith((".gz", ".tgz")):
        raise _MirrorError("packs the file although asked not to", again=False)
    if answer.headers.get_content_type() == "text/html" and not job.remote.file.endswith((".html", ".htm")):
        raise _MirrorError("answers with a web page in place of the file", again=False)


def _validator(headers: Message) -> str | None:
    """Return what tells versions of a file apart; RFC 9110, 13.1.5 forbids weak ETags for that."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _refusal(error: HTTPError) -> _MirrorError:
    reason = f"{error.code} {responses.get(error.code, 'unknown status')}"
    if error.code in (301, 302, 303, 307, 308):
        return _MirrorError(f"{reason}, in a circle or to no web address", again=False)
    wait = _wait(error.headers.get("Retry-After", ""))
    if wait is not None and wait > LONGEST_WAIT:
        return _MirrorError(f"{reason}, asks to come back in {wait:,.0f} s", again=False)
    return _MirrorError(reason, again=error.code in AGAIN, wait=wait)


def _wait(told: str) -> float | None:
    """Return the seconds of a `Retry-After`, given as such or as a date; None if it is neither."""
    try:
        seconds = float(told) if told.strip().isdigit() else parsedate_to_datetime(told).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds)


def _broken(error: Exception) -> _MirrorError:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return _MirrorError(f"sent nothing for {STALL:g} s")
    if isinstance(cause, IncompleteRead):
        return _MirrorError("broke off")
    told = str(getattr(cause, "strerror", None) or cause or type(cause).__name__)
    # A bad certificate is a ValueError, too.
    final = isinstance(cause, InvalidURL | ValueError) or told.startswith("unknown url")
    return _MirrorError(" ".join(told.split())[:200], again=not final)  # a status line may be anything
