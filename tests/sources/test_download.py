from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import pytest

from recbench.errors import DataError, UsageError
from recbench.progress import Progress
from recbench.sources import download, mirror
from recbench.sources import unpack as unpacking
from recbench.sources.dataset_spec import RemoteFile
from recbench.sources.download import fetch

from .server import BadServer, Reply, serving

BODY = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
HALF = len(BODY) // 2
PROCESS = """
import json, sys
from pathlib import Path
from recbench.sources import download
from recbench.sources import unpack as unpacking
from recbench.sources.dataset_spec import RemoteFile
from recbench.errors import DataError
told = json.loads(sys.argv[1])
try:
    print(download.fetch(RemoteFile(**{**told, "urls": tuple(told["urls"])}), Path(sys.argv[2])))
except DataError as error:
    sys.exit(f"error: {error}")
"""


class Heard(Progress):
    """Remembers the steps and what was done of each."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int | None]] = []
        self.done: list[int] = []

    def step(self, what: str, total: int | None = None, unit: str = "bytes") -> None:
        self.steps.append((what, total))
        self.done.append(0)

    def advance(self, amount: int) -> None:
        self.done[-1] += amount


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BadServer]:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("RECBENCH_OFFLINE", raising=False)
    monkeypatch.setattr(download, "PAUSE", 0.001)
    with serving() as running:
        yield running


def remote(*urls: str, file: str = "log.bin", **options: Any) -> RemoteFile:
    """A file of which the catalogue knows all, or only these options."""
    return RemoteFile(file, urls, **(options or {"bytes": len(BODY), "sha256": SHA256, "md5": MD5}))


def unchecked(*urls: str, file: str = "log.bin") -> RemoteFile:
    """A file of which the catalogue knows nothing but where it is."""
    return RemoteFile(file, urls)


def failure(wanted: RemoteFile, folder: Path) -> str:
    """What is said when the file cannot be had: one line, and no file of its name."""
    with pytest.raises(DataError) as caught:
        fetch(wanted, folder)
    assert not (folder / wanted.file).exists() and "\n" not in str(caught.value)
    return str(caught.value)


def start(wanted: RemoteFile, folder: Path, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROCESS, json.dumps(asdict(wanted)), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait_for(path: Path, size: int) -> None:
    for _ in range(2000):
        if path.exists() and path.stat().st_size >= size:
            return
        time.sleep(0.005)
    raise AssertionError(f"{path} never had {size} bytes")


def test_one_request_then_none(server: BadServer, tmp_path: Path) -> None:
    wanted, heard = remote(server.on("/a", Reply(BODY))), Heard()
    path = fetch(wanted, tmp_path / "new" / "raw", heard)
    assert path == tmp_path / "new" / "raw" / "log.bin" and path.read_bytes() == BODY
    assert heard.steps == [("downloading log.bin", len(BODY)), ("checking log.bin", len(BODY))]
    assert heard.done == [len(BODY), len(BODY)]
    assert sorted(p.name for p in path.parent.iterdir()) == [".log.bin.lock", ".log.bin.ok", "log.bin"]
    again = Heard()
    assert fetch(wanted, path.parent, again) == path
    assert again.steps == [] and len(server.seen) == 1  # neither loaded nor read again
    assert server.seen[0].headers["Accept-Encoding"] == "identity"
    assert server.seen[0].headers["User-Agent"].startswith("recbench/") and server.seen[0].range is None
    os.utime(path, ns=(0, 0))
    fetch(wanted, path.parent, again)
    assert again.steps == [("checking log.bin", len(BODY))]


@pytest.mark.parametrize("end", ["close", "reset"])
def test_resumes_after_every_break(server: BadServer, tmp_path: Path, end: str) -> None:
    breaks = [Reply(BODY, stop=30_000, end=end) for _ in range(9)]  # more than TRIES in a row
    path = fetch(remote(server.on("/a", *breaks, Reply(BODY))), tmp_path)
    assert path.read_bytes() == BODY
    ranges = server.ranges("/a")
    assert len(ranges) == 10 and ranges[0] is None
    if end == "close":  # a reset may lose what was on the way
        assert ranges[1:] == [f"bytes={30_000 * count}-" for count in range(1, 10)]
    assert [seen.headers.get("If-Range") for seen in server.seen] == [None] + ['"1"'] * 9
    assert sorted(p.name for p in tmp_path.iterdir()) == [".log.bin.lock", ".log.bin.ok", "log.bin"]


def test_resumes_after_a_stall(server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.on("/a", Reply(BODY, stop=HALF, end="stall"), Reply(BODY))
    monkeypatch.setattr(mirror, "STALL", 1)
    assert fetch(remote(url), tmp_path).read_bytes() == BODY
    assert server.ranges("/a") == [None, f"bytes={HALF}-"]


def test_a_server_that_never_answers(server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "STALL", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = failure(remote(f"http://127.0.0.1:{silent.getsockname()[1]}/a"), tmp_path)
    assert "sent nothing for 0.2 s" in told


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_is_resumed_by_the_next(server: BadServer, tmp_path: Path, how: signal.Signals) -> None:
    wanted = remote(server.on("/a", Reply(BODY, stop=HALF, end="stall"), Reply(BODY)))
    process = start(wanted, tmp_path)
    wait_for(tmp_path / ".log.bin.part", HALF - 10_000)
    process.send_signal(how)
    process.communicate(timeout=10)
    there = (tmp_path / ".log.bin.part").stat().st_size
    assert process.returncode != 0 and not (tmp_path / "log.bin").exists()
    heard = Heard()
    assert fetch(wanted, tmp_path, heard).read_bytes() == BODY
    assert server.ranges("/a") == [None, f"bytes={there}-"] and heard.done[0] == len(BODY)


def test_killed_before_it_got_its_name(server: BadServer, tmp_path: Path) -> None:
    wanted = remote(server.on("/a", Reply(BODY)))
    (tmp_path / ".log.bin.part").write_bytes(BODY)
    assert fetch(wanted, tmp_path).read_bytes() == BODY
    assert server.seen == []


def test_two_processes_load_it_once(server: BadServer, tmp_path: Path) -> None:
    wanted = remote(server.on("/a", Reply(BODY, stop=HALF, end="stall"), Reply(BODY)))
    processes = [start(wanted, tmp_path) for _ in range(3)]
    wait_for(tmp_path / ".log.bin.part", HALF - 10_000)
    time.sleep(0.5)  # the others come to wait
    assert len(server.seen) == 1
    server.over.set()
    for process in processes:
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0 and out.strip() == str(tmp_path / "log.bin"), err
    assert server.ranges("/a") == [None, f"bytes={HALF}-"]
    assert (tmp_path / "log.bin").read_bytes() == BODY


@pytest.mark.parametrize("known", [True, False])
def test_a_length_that_is_too_long(server: BadServer, tmp_path: Path, known: bool) -> None:
    lying = Reply(BODY, length=len(BODY) + 10, ranges=False)
    good = Reply(BODY)
    urls = (server.on("/lies", lying), server.on("/good", good))
    wanted = remote(*urls) if known else unchecked(*urls)
    assert fetch(wanted, tmp_path).read_bytes() == BODY
    assert len(server.ranges("/lies")) == (1 if known else download.TRIES)


def test_a_length_that_is_too_short(server: BadServer, tmp_path: Path) -> None:
    urls = (server.on("/lies", Reply(BODY, length=HALF)), server.on("/good", Reply(BODY)))
    assert fetch(remote(*urls, sha256=SHA256), tmp_path / "by digest").read_bytes() == BODY
    assert fetch(remote(*urls, bytes=len(BODY)), tmp_path / "by size").read_bytes() == BODY
    told = failure(remote(urls[0]), tmp_path)
    assert f"{urls[0]}: has 150,000 bytes, not 300,000" in told and len(server.ranges("/good")) == 2


@pytest.mark.parametrize("extra", [1, 5_000_000])
@pytest.mark.parametrize("digest", [None, SHA256])
def test_more_than_the_catalogue_says(server: BadServer, tmp_path: Path, extra: int, digest: str | None) -> None:
    urls = server.on("/long", Reply(BODY + bytes(extra), framing="chunked")), server.on("/good", Reply(BODY))
    heard = Heard()
    assert fetch(remote(*urls, bytes=len(BODY), sha256=digest), tmp_path, heard).read_bytes() == BODY
    assert server.ranges("/good") == [None]  # what the first mirror sent is gone
    assert max(heard.done) == len(BODY)  # and no more of it than fits was written


def test_a_server_that_ignores_ranges(server: BadServer, tmp_path: Path) -> None:
    replies = [Reply(BODY, ranges=False, stop=stop) for stop in (1000, HALF, 10)]
    heard = Heard()
    path = fetch(remote(server.on("/a", *replies, Reply(BODY, ranges=False))), tmp_path, heard)
    assert path.read_bytes() == BODY
    assert server.ranges("/a") == [None, "bytes=1000-", f"bytes={HALF}-", "bytes=10-"]
    assert heard.done[-2:] == [len(BODY), len(BODY)]


def test_starting_over_for_ever_is_no_progress(server: BadServer, tmp_path: Path) -> None:
    url = server.on("/a", Reply(BODY, ranges=False, stop=HALF))
    told = failure(remote(url), tmp_path)
    assert f"{url}: broke off after 150,000 of 300,000 bytes" in told
    assert len(server.seen) == download.TRIES


def test_wrong_bytes_are_thrown_away(server: BadServer, tmp_path: Path) -> None:
    bad, good = server.on("/bad", Reply(OTHER)), server.on("/good", Reply(BODY))
    assert fetch(remote(bad, good), tmp_path).read_bytes() == BODY
    assert server.ranges("/bad") == [None] and server.ranges("/good") == [None]
    by_md5 = remote(bad, md5=MD5.upper(), file="md5.bin")
    told = failure(by_md5, tmp_path)
    assert hashlib.md5(OTHER, usedforsecurity=False).hexdigest()[:12] in told and MD5[:12] in told
    assert not (tmp_path / ".md5.bin.part").exists()
    assert fetch(remote(good, md5=MD5.upper(), file="md5.bin"), tmp_path).read_bytes() == BODY


def test_all_that_failed_is_told_in_one_line(server: BadServer, tmp_path: Path) -> None:
    gone, bad = server.on("/gone", Reply(status=410)), server.on("/bad", Reply(OTHER[:-1]))
    told = failure(remote(gone, bad), tmp_path)
    assert told == (
        f"log.bin: no mirror delivered it ({gone}: 410 Gone; {bad}: has 299,999 bytes, not 300,000); "
        f"run again to go on, or get {gone} by hand and put it into {tmp_path}"
    )


@pytest.mark.parametrize("status", [400, 403, 404, 410, 418, 451, 599])
def test_what_will_not_change_is_asked_once(server: BadServer, tmp_path: Path, status: int) -> None:
    urls = (server.on("/no", Reply(status=status)), server.on("/good", Reply(BODY)))
    assert fetch(remote(*urls), tmp_path).read_bytes() == BODY
    assert [seen.path for seen in server.seen] == ["/no", "/good"]


def test_errors_that_pass(server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=waits.append, time=time.time))
    url = server.on("/a", Reply(status=500), Reply(status=503), Reply(status=502), Reply(BODY))
    assert fetch(remote(url), tmp_path).read_bytes() == BODY
    assert waits == [0.001, 0.002, 0.004]
    urls = (server.on("/down", Reply(status=503)), server.on("/up", Reply(BODY)))
    assert fetch(remote(*urls, file="b"), tmp_path).read_bytes() == BODY
    assert len(server.ranges("/down")) == download.TRIES and len(server.ranges("/up")) == 1


def test_progress_starts_the_back_off_anew(server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=waits.append, time=time.time))
    down = [Reply(status=500)] * 2
    url = server.on("/a", *down, Reply(BODY, stop=1000), *down, Reply(BODY, stop=1000), *down, Reply(BODY))
    assert fetch(remote(url), tmp_path).read_bytes() == BODY
    assert waits == [0.001, 0.002] + [0.001, 0.002, 0.004] * 2


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    waits: list[float] = []
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=waits.append, time=time.time))
    later = formatdate(time.time() + 60, usegmt=True)
    told = [Reply(status=status, headers={"Retry-After": when}) for when in ("7", later, "soon")]
    assert fetch(remote(server.on("/a", *told, Reply(BODY))), tmp_path).read_bytes() == BODY
    assert waits[0] == 7 and 50 < waits[1] <= 60 and waits[2] == 0.004
    never = server.on("/never", Reply(status=status, headers={"Retry-After": "86400"}))
    other = remote(never, server.on("/good", Reply(BODY)), sha256=SHA256, file="b")
    assert fetch(other, tmp_path).read_bytes() == BODY
    assert len(server.ranges("/never")) == 1 and len(waits) == 3
    assert "asks to come back in 86,400 s" in failure(remote(never, sha256=SHA256, file="c"), tmp_path)


def test_redirects(server: BadServer, tmp_path: Path) -> None:
    moved = Reply(status=302, headers={"Location": server.on("/b", Reply(BODY, stop=HALF), Reply(BODY))})
    assert fetch(remote(server.on("/a", moved)), tmp_path).read_bytes() == BODY
    assert [seen.path for seen in server.seen] == ["/a", "/b", "/a", "/b"]
    assert server.ranges("/b") == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_in_a_circle(server: BadServer, tmp_path: Path, status: int) -> None:
    url = server.on("/a", Reply(status=status, headers={"Location": "/b"}))
    server.on("/b", Reply(status=status, headers={"Location": "/a"}))
    assert "in a circle" in failure(remote(url), tmp_path)
    assert len(server.seen) <= 12


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/a", "data:,x", "http://[/"])
def test_redirects_to_what_is_no_web_address(server: BadServer, tmp_path: Path, target: str) -> None:
    url = server.on("/a", Reply(status=302, headers={"Location": target}))
    assert "no mirror delivered it" in failure(unchecked(url), tmp_path)
    assert len(server.seen) == 1


def test_content_that_changes_is_not_glued(server: BadServer, tmp_path: Path) -> None:
    url = server.on("/a", Reply(OTHER, stop=HALF), Reply(BODY, etag='"2"'))
    assert fetch(unchecked(url), tmp_path).read_bytes() == BODY
    assert [seen.headers.get("If-Range") for seen in server.seen] == [None, '"1"']


def test_content_that_changes_length_behind_one_etag(server: BadServer, tmp_path: Path) -> None:
    url = server.on("/a", Reply(OTHER, stop=HALF), Reply(BODY[:-7]))
    assert fetch(unchecked(url), tmp_path).read_bytes() == BODY[:-7]
    assert server.ranges("/a") == [None, f"bytes={HALF}-", None]


def test_content_that_changes_behind_one_etag(server: BadServer, tmp_path: Path) -> None:
    url = server.on("/a", Reply(OTHER, stop=HALF), Reply(BODY))
    assert fetch(remote(url), tmp_path).read_bytes() == BODY  # the digest tells, and all of it is loaded anew
    assert server.ranges("/a") == [None, f"bytes={HALF}-", None]


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_last_modified_instead_of_a_strong_etag(server: BadServer, tmp_path: Path, etag: str | None) -> None:
    day = "Wed, 21 Oct 2015 07:28:00 GMT"
    old, new = Reply(BODY, etag=etag, modified=day, stop=HALF), Reply(BODY, etag=etag, modified=day)
    assert fetch(unchecked(server.on("/a", old, new)), tmp_path).read_bytes() == BODY
    assert server.seen[1].headers["If-Range"] == day and server.ranges("/a") == [None, f"bytes={HALF}-"]


def test_without_any_mark_only_a_digest_allows_to_go_on(server: BadServer, tmp_path: Path) -> None:
    replies = Reply(BODY, etag=None, stop=HALF), Reply(BODY, etag=None)
    assert fetch(unchecked(server.on("/a", *replies)), tmp_path).read_bytes() == BODY
    assert server.ranges("/a") == [None, None]
    assert fetch(remote(server.on("/b", *replies), sha256=SHA256, file="b"), tmp_path).read_bytes() == BODY
    assert server.ranges("/b") == [None, f"bytes={HALF}-"] and "If-Range" not in server.seen[-1].headers


def test_the_next_mirror_goes_on_where_the_first_broke(server: BadServer, tmp_path: Path) -> None:
    first = server.on("/a", Reply(BODY, stop=HALF), Reply(status=404))
    second = server.on("/b", Reply(BODY, etag='"b"'))
    assert fetch(remote(first, second), tmp_path).read_bytes() == BODY
    assert server.ranges("/b") == [f"bytes={HALF}-"] and "If-Range" not in server.seen[-1].headers
    first = server.on("/c", Reply(OTHER, stop=HALF), Reply(status=404))
    assert fetch(unchecked(first, server.on("/d", Reply(BODY)), file="d"), tmp_path).read_bytes() == BODY
    assert server.ranges("/d") == [None]


def test_a_whole_file_of_another_mirror_is_not_believed_by_its_size(server: BadServer, tmp_path: Path) -> None:
    (tmp_path / ".log.bin.part").write_bytes(OTHER)
    assert fetch(remote(server.on("/a", Reply(BODY)), bytes=len(BODY)), tmp_path).read_bytes() == BODY


ODD = Reply(BODY, headers={"Content-Range": f"bytes {HALF}-{len(BODY) - 1}/*"})  # part of what?


@pytest.mark.parametrize("reply", [Reply(BODY, shift=5), Reply(BODY, shift=-5), Reply(BODY, shift=10**6), ODD])
def test_ranges_that_are_not_those_asked_for(server: BadServer, tmp_path: Path, reply: Reply) -> None:
    url = server.on("/a", Reply(BODY, stop=HALF), reply, Reply(BODY))  # the third shift is answered by 416
    assert fetch(unchecked(url), tmp_path).read_bytes() == BODY
    assert server.ranges("/a") == [None, f"bytes={HALF}-", None]


def test_ranges_shorter_than_asked_for(server: BadServer, tmp_path: Path) -> None:
    url = server.on("/a", Reply(BODY, stop=HALF), Reply(BODY, short=50_000))
    assert fetch(remote(url), tmp_path).read_bytes() == BODY
    assert server.ranges("/a")[1:] == [f"bytes={start}-" for start in (150_000, 200_000, 250_000)]


def test_a_partial_file_that_is_too_long(server: BadServer, tmp_path: Path) -> None:
    (tmp_path / ".log.bin.part").write_bytes(BODY + b"more")
    assert fetch(remote(server.on("/a", Reply(BODY))), tmp_path).read_bytes() == BODY
    assert server.ranges("/a") == ["bytes=300004-", None]


def test_a_partial_file_without_its_origin(server: BadServer, tmp_path: Path) -> None:
    (tmp_path / ".log.bin.part").write_bytes(BODY[:HALF])
    (tmp_path / ".log.bin.part.json").write_text('{"url": 5')
    assert fetch(unchecked(server.on("/a", Reply(BODY))), tmp_path).read_bytes() == BODY
    assert server.ranges("/a") == [None]


def test_packed_on_the_way_is_not_the_file(server: BadServer, tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" * 50_000)
    encoded = Reply(packed, headers={"Content-Encoding": "gzip"})
    plain = hashlib.sha256(b"a,b\n" * 50_000).hexdigest()
    url = server.on("/a", encoded)
    assert "has the sha256" in failure(RemoteFile("log.csv", (url,), sha256=plain), tmp_path)
    assert "packs the file although asked not to" in failure(unchecked(url, file="log.csv"), tmp_path)
    assert fetch(unchecked(url, file="log.csv.gz"), tmp_path).read_bytes() == packed  # as some servers send it


def test_chunked(server: BadServer, tmp_path: Path) -> None:
    url = server.on("/a", Reply(BODY, framing="chunked", stop=HALF), Reply(BODY, framing="chunked"))
    heard = Heard()
    assert fetch(unchecked(url), tmp_path, heard).read_bytes() == BODY
    assert server.ranges("/a")[0] is None and len(server.seen) == 2 and heard.steps[0][1] is None


def test_without_a_length_only_what_can_be_checked(server: BadServer, tmp_path: Path) -> None:
    url = server.on("/a", Reply(BODY[:HALF], framing="none"), Reply(BODY, framing="none"))
    assert "does not say how long" in failure(unchecked(url), tmp_path)
    assert fetch(remote(url, sha256=SHA256), tmp_path).read_bytes() == BODY


def test_a_web_page_in_place_of_the_file(server: BadServer, tmp_path: Path) -> None:
    page = Reply(b"<html>please log in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    assert "web page" in failure(unchecked(server.on("/a", page)), tmp_path)


def test_a_file_that_is_there_but_wrong_stays(server: BadServer, tmp_path: Path) -> None:
    path = tmp_path / "log.bin"
    for content in (OTHER, BODY[:-1]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"^{path}: has .*, not .*; move it away and run again") as caught:
            fetch(remote(server.on("/a", Reply(BODY))), tmp_path)
        assert path.read_bytes() == content and "\n" not in str(caught.value) and server.seen == []
    with pytest.raises(DataError, match="has 299,999 bytes, not 300,000"):
        fetch(remote("http://127.0.0.1:1/a", bytes=len(BODY)), tmp_path)
    path.write_bytes(BODY)
    assert fetch(remote("http://127.0.0.1:1/a"), tmp_path) == path
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="is no file"):
        fetch(remote("http://127.0.0.1:1/a"), tmp_path)


def test_new_digests_are_checked_again(server: BadServer, tmp_path: Path) -> None:
    path = fetch(remote(server.on("/a", Reply(BODY)), sha256=SHA256), tmp_path)
    with pytest.raises(DataError, match="has the sha256"):
        fetch(remote("http://127.0.0.1:1/a", sha256="0" * 64), tmp_path)
    with pytest.raises(DataError, match="has the md5"):
        fetch(remote("http://127.0.0.1:1/a", sha256=SHA256, md5="0" * 32), tmp_path)
    (tmp_path / ".log.bin.ok").write_text("[")
    assert fetch(remote("http://127.0.0.1:1/a", sha256=SHA256), tmp_path) == path


def test_disk_too_small(server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = len(BODY) + unpacking.SPARE_BYTES - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    url = server.on("/a", Reply(BODY))
    told = failure(remote(url), tmp_path)
    assert f"needs {len(BODY):,} bytes" in told and f"{free:,} are free" in told and "RECBENCH_HOME" in told
    assert server.seen == []
    assert "needs 300,000 bytes" in failure(unchecked(url), tmp_path) and len(server.seen) == 1
    (tmp_path / ".log.bin.part").write_bytes(BODY[:1])  # what is there already needs no space
    assert fetch(remote(url), tmp_path).read_bytes() == BODY


def test_disk_full_in_mid_write(server: BadServer, tmp_path: Path) -> None:
    wanted = remote(server.on("/a", Reply(BODY)))
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, HALF))  # noqa: E731
    process = start(wanted, tmp_path, preexec_fn=limit)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1 and err.count("\n") == 1
    assert err.startswith(f"error: {tmp_path / 'log.bin'}: the disk refuses it (File too large); free some space")
    assert not (tmp_path / "log.bin").exists() and len(server.seen) == 1
    assert fetch(wanted, tmp_path).read_bytes() == BODY
    assert server.ranges("/a")[1] == f"bytes={HALF}-"


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "the disk refuses it (File exists)" in failure(remote("http://127.0.0.1:1/a"), tmp_path / "file")


def test_offline(server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = remote(server.on("/a", Reply(BODY)))
    monkeypatch.setenv("RECBENCH_OFFLINE", "1")
    told = failure(wanted, tmp_path / "raw")
    assert str(tmp_path / "raw" / "log.bin") in told and wanted.urls[0] in told and "RECBENCH_OFFLINE" in told
    assert server.seen == [] and not (tmp_path / "raw").exists()
    (tmp_path / "log.bin").write_bytes(BODY)
    assert fetch(wanted, tmp_path).read_bytes() == BODY
    monkeypatch.setenv("RECBENCH_OFFLINE", "0")
    assert fetch(wanted, tmp_path / "raw").read_bytes() == BODY


def test_proxy_of_the_environment(server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    direct = server.on("/direct", Reply(BODY))
    proxy = direct.removesuffix("/direct").replace("//", "//me:secret@")
    server.on("http://data.example/log.bin", Reply(BODY, stop=HALF), Reply(BODY))
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert fetch(remote("http://data.example/log.bin"), tmp_path).read_bytes() == BODY
    assert [seen.path for seen in server.seen] == ["http://data.example/log.bin"] * 2
    assert server.seen[1].range == f"bytes={HALF}-" and server.seen[0].headers["Host"] == "data.example"
    assert server.seen[0].headers["Proxy-Authorization"].startswith("Basic ")
    assert fetch(remote(direct, sha256=SHA256, file="b"), tmp_path).read_bytes() == BODY
    assert server.seen[-1].path == "/direct"  # not by the proxy


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/a", "file:///etc/hostname", "http:///a", "log.bin", "http://a/b c", "http://a/\u00fc", ""],
)
def test_only_web_addresses(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match=r"log\.bin cannot come from .*; use an http:// or https:// address"):
        fetch(remote(url), tmp_path)


@pytest.mark.parametrize("file", ["", "..", "a/b", "/a", "../a"])
def test_only_plain_names(tmp_path: Path, file: str) -> None:
    with pytest.raises(UsageError, match="is no file name"):
        fetch(RemoteFile(file, ("http://127.0.0.1:1/a",)), tmp_path)


def test_no_address_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no `urls`"):
        fetch(RemoteFile("log.bin", ()), tmp_path)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a", "http://a..b/c", "http://127.0.0.1:no/a", "http://[::/a"])
def test_addresses_where_nobody_is(server: BadServer, tmp_path: Path, url: str) -> None:
    assert f"no mirror delivered it ({url}: " in failure(remote(url), tmp_path)


@pytest.mark.parametrize(
    ("raw", "said"), [(b"", "closed connection"), (b"hello\n" * 99, "hello"), (b"HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 abc")]
)
def test_what_is_not_http(server: BadServer, tmp_path: Path, raw: bytes, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as talker:

        def talk() -> None:
            for _ in range(download.TRIES):
                connection, _ = talker.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(raw)

        thread = threading.Thread(target=talk)
        thread.start()
        assert said in failure(remote(f"http://127.0.0.1:{talker.getsockname()[1]}/a"), tmp_path)
        thread.join()


def test_a_bad_certificate_does_not_get_better() -> None:
    error = mirror._connection_error(URLError(ssl.SSLCertVerificationError(1, "certificate verify failed")))
    assert str(error) == "certificate verify failed" and not error.again
    assert mirror._connection_error(URLError(socket.gaierror(-3, "Temporary failure in name resolution"))).again
