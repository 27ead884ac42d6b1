"""One file from one mirror: asked for from where a partial file ends, and written as it comes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from recbench.progress import Progress
from recbench.sources.dataset_spec import RemoteFile
from recbench.sources.unpack import require_space

STALL = 30.0  # seconds without a byte after which a connection counts as broken
LONGEST_WAIT = 120.0  # seconds; a mirror that asks for more is left
BLOCK = 1 << 20
TRANSIENT_STATUSES = (408, 416, 425, 429, 500, 502, 503, 504)


class MirrorError(Exception):
    """One try at a mirror failed; `again` if another one may not, after `wait` seconds if the mirror said so."""

    def __init__(self, reason: str, again: bool = True, wait: float | None = None) -> None:
        super().__init__(reason)
        self.again, self.wait = again, wait


@dataclass(frozen=True)
class Origin:
    """What the bytes of a partial file are of."""

    url: str
    validator: str | None = None  # ETag or Last-Modified
    total: int | None = None  # bytes of the whole file


@dataclass(frozen=True)
class DownloadJob:
    """One file to download, and where its bytes go until it is whole."""

    remote: RemoteFile
    path: Path
    progress: Progress

    @property
    def part(self) -> Path:
        """The file of what has come so far."""
        return hidden_path(self.path, "part")

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
    def origin(self) -> Origin:
        """What the partial file is of; an empty address if that is not known."""
        try:
            return msgspec.json.decode(hidden_path(self.path, "part.json").read_bytes(), type=Origin)
        except (OSError, msgspec.DecodeError):
            return Origin("")

    @property
    def total(self) -> int | None:
        """Bytes of the whole file, where the catalogue or the mirror of the partial file told."""
        return self.origin.total if self.remote.bytes is None else self.remote.bytes

    def discard(self) -> None:
        """Remove what has come so far."""
        self.part.unlink(missing_ok=True)


def hidden_path(path: Path, suffix: str) -> Path:
    """Return the path of a file about another one, beside it and not listed."""
    return path.with_name(f".{path.name}.{suffix}")


def transfer(job: DownloadJob, url: str) -> bool:
    """Write what one answer brings; return whether it brought the file from its first byte on."""
    require_space(job.path.parent, (job.remote.bytes or 0) - job.size, job.remote.file)
    have = job.size if can_resume(job, url) else 0
    with _open_range(job, url, have) as answer:
        whole = answer.status != HTTPStatus.PARTIAL_CONTENT
        have = 0 if whole else have
        total = answer.length if whole else _range_total(job, answer, have)
        _check_answer(job, answer, total)
        total = job.remote.bytes or total
        require_space(job.path.parent, (total or 0) - job.size, job.remote.file)
        with job.part.open("wb" if whole else "ab") as file:
            origin = msgspec.json.encode(Origin(url, _version_tag(answer.headers), total))
            hidden_path(job.path, "part.json").write_bytes(origin)
            job.progress.step(f"downloading {job.remote.file}", total)
            job.progress.advance(have)
            for block in _blocks(answer):
                if total is not None and file.tell() + len(block) > total:
                    job.discard()
                    raise MirrorError(f"sends more than {total:,} bytes", again=False)
                file.write(block)
                job.progress.advance(len(block))
    if total is not None and job.size < total:
        raise MirrorError(f"broke off after {job.size:,} of {total:,} bytes")
    return whole


def can_resume(job: DownloadJob, url: str) -> bool:
    """Return whether something would tell if the rest from this mirror did not belong to what is there."""
    return bool(job.digests) or (job.origin.url == url and job.origin.validator is not None)


@contextmanager
def _open_range(job: DownloadJob, url: str, start: int) -> Iterator[HTTPResponse]:
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
        raise _http_refusal(error) from None
    except (OSError, HTTPException, ValueError) as error:
        raise _connection_error(error) from None
    with answer:
        if answer.status != HTTPStatus.OK and not (start and answer.status == HTTPStatus.PARTIAL_CONTENT):
            raise MirrorError(f"answers with the status {answer.status}", again=False)
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
    """Yield the body as it comes, encoded or not; raises MirrorError if it breaks."""
    try:
        while block := answer.read1(BLOCK):
            yield block
    except (OSError, HTTPException) as error:
        raise _connection_error(error) from None


def _range_total(job: DownloadJob, answer: HTTPResponse, start: int) -> int:
    """Return the bytes of the whole file that a part of it, asked for from `start` on, belongs to."""
    content_range = re.fullmatch(r"bytes\s+(\d+)-\d+/(\d+)", answer.headers.get("Content-Range", "").strip())
    if content_range is None or int(content_range[1]) != start:
        job.discard()
        raise MirrorError("answers with another part of the file than asked for")
    if job.remote.bytes is None and job.origin.total not in (None, int(content_range[2])):
        job.discard()
        raise MirrorError("changed since the download began")
    return int(content_range[2])


def _check_answer(job: DownloadJob, answer: HTTPResponse, total: int | None) -> None:
    """Raise MirrorError for an answer that cannot be the file, or of which nobody could tell whether it is whole."""
    if total is not None and job.remote.bytes not in (None, total):
        raise MirrorError(f"has {total:,} bytes, not {job.remote.bytes:,}", again=False)
    if job.digests or job.remote.bytes is not None:
        return
    if total is None and not answer.chunked:
        raise MirrorError("does not say how long the file is", again=False)
    packed = answer.headers.get("Content-Encoding", "identity") != "identity"
    if packed and not job.remote.file.endswith((".gz", ".tgz")):
        raise MirrorError("packs the file although asked not to", again=False)
    if answer.headers.get_content_type() == "text/html" and not job.remote.file.endswith((".html", ".htm")):
        raise MirrorError("answers with a web page in place of the file", again=False)


def _version_tag(headers: Message) -> str | None:
    """Return what tells versions of a file apart; RFC 9110, 13.1.5 forbids weak ETags for that."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _http_refusal(error: HTTPError) -> MirrorError:
    reason = f"{error.code} {responses.get(error.code, 'unknown status')}"
    if error.code in (301, 302, 303, 307, 308):
        return MirrorError(f"{reason}, in a circle or to no web address", again=False)
    wait = _retry_after(error.headers.get("Retry-After", ""))
    if wait is not None and wait > LONGEST_WAIT:
        return MirrorError(f"{reason}, asks to come back in {wait:,.0f} s", again=False)
    return MirrorError(reason, again=error.code in TRANSIENT_STATUSES, wait=wait)


def _retry_after(header: str) -> float | None:
    """Return the seconds of a `Retry-After`, given as such or as a date; None if it is neither."""
    try:
        seconds = float(header) if header.strip().isdigit() else parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds)


def _connection_error(error: Exception) -> MirrorError:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return MirrorError(f"sent nothing for {STALL:g} s")
    if isinstance(cause, IncompleteRead):
        return MirrorError("broke off")
    reason = str(getattr(cause, "strerror", None) or cause or type(cause).__name__)
    # A bad certificate is a ValueError, too.
    final = isinstance(cause, InvalidURL | ValueError) or reason.startswith("unknown url")
    return MirrorError(" ".join(reason.split())[:200], again=not final)  # a status line may be anything
