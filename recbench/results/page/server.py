"""The page on localhost, made anew when a run or an evaluation came."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from recbench.errors import RecbenchError, UsageError
from recbench.results import run_labels
from recbench.results.leaderboard_rows import collect_rows
from recbench.results.marks import with_shared_best
from recbench.results.page.render import html, message_page
from recbench.results.store import Store
from recbench.terminal import print_text

HOST = "127.0.0.1"
PATIENCE = 10  # seconds for which a connection may say nothing


class Server(ThreadingHTTPServer):
    """Serves `/`, the page of a store, and `/version.json`, which changes whenever the page would.

    Raises UsageError if the port is taken or not allowed; port 0 takes a free one.
    """

    daemon_threads = True

    def __init__(self, store: Store, port: int, dataset: str | None = None, metrics: Sequence[str] = ()) -> None:
        self.store = store
        self.dataset = dataset
        self.metrics = metrics
        self.lock = threading.Lock()
        self.cached_page: tuple[str, str] | None = None  # version and page
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise UsageError(f"port {port}: {error.strerror}; choose another --port, or 0 for a free one") from None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    def version(self) -> str:
        """Return a word for what the store holds; records never change, so their paths tell, beside hidden runs."""
        digest = sha256("\n".join(sorted(self.store.listing())).encode(errors="surrogateescape"))
        with suppress(FileNotFoundError):
            digest.update((self.store.root / run_labels.FILE).read_bytes())
        return digest.hexdigest()[:16]

    def page(self) -> str:
        """Return the page, the last one if nothing came since; where there is no board yet, it says why."""
        with self.lock:
            version = self.version()
            if self.cached_page is None or self.cached_page[0] != version:
                self.cached_page = version, self._make(version)
            return self.cached_page[1]

    def _make(self, version: str) -> str:
        try:
            rows = with_shared_best(collect_rows(self.store, self.dataset, self.metrics), self.store)
            return html(self.store, rows, version)
        except RecbenchError as error:
            return message_page(str(error), version)
        except Exception as error:  # what runs did not foresee must not take the page away
            return message_page(f"the page cannot be made: {type(error).__name__}: {error}", version)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of browsers that went away; anything else in one line."""
        error = sys.exception()
        if not isinstance(error, OSError):
            print_text(f"warning: request from {client_address} failed: {error!r}", stderr=True)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = PATIENCE

    def do_GET(self) -> None:  # noqa: N802 (the name that http.server calls)
        server = cast(Server, self.server)
        if self.headers.get("Host", "").rpartition(":")[0] not in (HOST, "localhost"):
            # a page elsewhere whose name was made to point here must not read what is served
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        elif self.path == "/":
            self._answer("text/html; charset=utf-8", server.page())
        elif self.path == "/version.json":
            self._answer("application/json", json.dumps({"version": server.version()}))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _answer(self, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the page asks every other second."""
