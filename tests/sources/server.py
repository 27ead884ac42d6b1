"""A web server on this machine that misbehaves as told, path by path, and remembers what it was asked."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """How one request is answered; by default as a good server answers it, ranges and `If-Range` included."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = '"1"'
    modified: str | None = None
    ranges: bool = True  # False: always the whole body with status 200
    stop: int | None = None  # bytes sent before the connection ends
    end: str = "close"  # how it ends then: close, reset, or stall until the test is over
    length: int | None = None  # claimed instead of the true one
    shift: int = 0  # a range starts that many bytes later than asked
    short: int | None = None  # bytes of a range, though more were asked for
    framing: str = "length"  # or chunked, or none


@dataclass(frozen=True)
class Seen:
    """One request: its path, or the whole address if it came as to a proxy, and its headers."""

    path: str
    headers: dict[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("Range")


class BadServer(ThreadingHTTPServer):
    """Gives the replies of a path one after the other, the last one again and again; 404 for any other path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: dict[str, list[Reply]] = {}
        self.seen: list[Seen] = []
        self.over = threading.Event()

    def on(self, path: str, *replies: Reply) -> str:
        """Set the replies of a path and return its address."""
        self.replies[path] = list(replies)
        return f"http://127.0.0.1:{self.server_port}{path}"

    def ranges(self, path: str) -> list[str | None]:
        """The `Range` of every request for a path, in their order."""
        return [seen.range for seen in self.seen if seen.path == path]

    def handle_error(self, request: Any, address: Any) -> None:
        """Say nothing: clients go away in these tests."""


@contextmanager
def serving() -> Iterator[BadServer]:
    """Run a server in a thread."""
    with BadServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BadServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:  # noqa: N802
        self.server.seen.append(Seen(self.path, dict(self.headers)))
        replies = self.server.replies.get(self.path, [Reply(status=404)])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        self.close_connection = True
        status, body, headers = self._answer(reply)
        self.send_response(status)
        for name, value in {"Connection": "close", **headers, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = body if reply.stop is None else body[: reply.stop]
        if reply.framing == "chunked":
            pieces = [cut[start : start + 1000] for start in range(0, len(cut), 1000)]
            cut = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            cut += b"" if reply.stop is not None else b"0\r\n\r\n"
        self.wfile.write(cut)
        self.wfile.flush()
        if reply.stop is not None and reply.end == "stall":
            self.server.over.wait(30)
        if reply.stop is not None and reply.end == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _answer(self, reply: Reply) -> tuple[int, bytes, dict[str, str]]:
        headers: dict[str, str] = {}
        body, status = reply.body, reply.status
        headers |= {"ETag": reply.etag} if reply.etag else {}
        headers |= {"Last-Modified": reply.modified} if reply.modified else {}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        unchanged = self.headers.get("If-Range") in (None, reply.etag, reply.modified)
        if asked and reply.ranges and unchanged and status == 200:
            start = int(asked[1]) + reply.shift
            if start >= len(body):
                return 416, b"", {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"}
            end = len(body) if reply.short is None else min(len(body), start + reply.short)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
            body, status = body[start:end], 206
        if reply.framing == "length":
            headers["Content-Length"] = str(len(body) if reply.length is None else reply.length)
        elif reply.framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        return status, body, headers
