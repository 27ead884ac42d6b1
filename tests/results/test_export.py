"""The board as files, and the server that keeps the page fresh."""

from __future__ import annotations

import io
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from types import SimpleNamespace

import polars as pl
import pytest
from msgspec.structs import asdict

from recbench.errors import UsageError
from recbench.results.leaderboard_export import parquet
from recbench.results.leaderboard_rows import COLUMNS, collect_rows
from recbench.results.page import server
from recbench.results.page.render import html
from tests.results.test_page import data_of, parse


def without_curve(rows):
    assert all(set(asdict(row)) - set(COLUMNS) == {"curve"} for row in rows)
    return [{name: getattr(row, name) for name in COLUMNS} for row in rows]


def test_parquet_holds_every_row(store, add, make_value):
    add(make_value(0.5), make_value(None, metric="gauc"), loss="bce")
    add(make_value(0.6), loss="bpr", feedback=("click",))
    rows = collect_rows(store)
    table = pl.read_parquet(io.BytesIO(parquet(rows)))
    assert table.to_dicts() == without_curve(rows)
    assert table.columns == list(COLUMNS)
    assert pl.read_parquet(io.BytesIO(parquet([]))).schema == table.schema


def test_the_command_writes_files(run, store, add, make_value, tmp_path):
    add(make_value(0.5))
    for form in ("html", "parquet", "csv", "json", "markdown"):
        path = tmp_path / "new" / f"board.{form}"
        path.parent.mkdir(exist_ok=True)
        told = run("leaderboard", "--format", form, "-o", str(path))
        assert (told.code, told.out) == (0, "") and f"{path}: " in told.err
        assert path.stat().st_size > 100
    assert len(list((tmp_path / "new").iterdir())) == 5
    assert pl.read_parquet(tmp_path / "new" / "board.parquet").to_dicts() == without_curve(collect_rows(store))
    assert run("leaderboard", "--format", "csv").out == (tmp_path / "new" / "board.csv").read_text()
    assert json.loads((tmp_path / "new" / "board.json").read_text()) == run("leaderboard", "--json").json
    printed = run("leaderboard", "--format", "html").out
    assert parse(printed).all("title")[0].text == "recbench leaderboard"
    told = run("leaderboard", "--format", "html", "-o", str(tmp_path / "typo" / "board.html"))
    assert told.code == 1 and "cannot be written (No such file or directory)" in told.err
    told = run("leaderboard", "--format", "html", "-o", str(tmp_path))
    assert told.code == 2 and "folder" in told.err and told.err.count("\n") == 1


def test_a_terminal_gets_no_page(run, store, add, make_value, monkeypatch):
    add(make_value(0.5))
    terminal = SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("recbench.cli.leaderboard.sys", terminal)
    for form in ("html", "parquet"):
        told = run("leaderboard", "--format", form)
        assert (told.code, told.out) == (2, "")
        assert told.err == f"error: --format {form} is not for a terminal; add -o board.{form}\n"
    told = run("leaderboard", "-o", "board.txt")
    assert told.code == 2 and "choose a --format: markdown, latex, csv, json, html, parquet" in told.err


@pytest.fixture
def served(store):
    with server.Server(store, 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def fetch(url: str, **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.read().decode()


def test_the_server_makes_the_page_anew_only_when_something_came(served, add, make_value, monkeypatch):
    made = []
    monkeypatch.setattr(server, "html", lambda *arguments: made.append(arguments) or html(*arguments))
    assert "no runs to compare" in fetch(served.url)
    before = json.loads(fetch(f"{served.url}version.json"))
    add(make_value(0.5))
    after = json.loads(fetch(f"{served.url}version.json"))
    assert before != after == json.loads(fetch(f"{served.url}version.json"))
    page = parse(fetch(served.url))
    assert data_of(page)["version"] == after["version"]
    assert "connect-src 'self'" in str(page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes)
    assert fetch(served.url).count("<button data-cell=") == 1 and len(made) == 1
    add(make_value(0.6), loss="bpr")
    assert fetch(served.url).count("<button data-cell=") == 3 and len(made) == 2  # the best one stands at the top, too


def test_the_server_answers_nothing_else(served):
    for path, headers, code in (("x", {}, 404), ("../record.json", {}, 404), ("", {"Host": "elsewhere.example"}, 421)):
        with pytest.raises(urllib.error.HTTPError) as error_info:
            fetch(served.url + path, **headers)
        assert error_info.value.code == code
        error_info.value.close()
    assert served.server_address[0] == "127.0.0.1"
    with pytest.raises(UsageError, match=f"port {served.server_port}: .*choose another --port, or 0 for a free one"):
        server.Server(served.store, served.server_port)


def test_ctrl_c_ends_the_command_quietly(store, add, make_value):
    add(make_value(0.5))
    code = "import sys; sys.argv = ['recbench', 'board']; from recbench.cli import entry; entry()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    ) as running:
        assert running.stdout is not None
        url = running.stdout.readline().strip()
        assert "<button data-cell=" in fetch(url)
        running.send_signal(signal.SIGINT)
        try:
            out, err = running.communicate(timeout=20)
        finally:
            running.kill()
    assert (running.returncode, out, err) == (0, "", "Ctrl-C ends it\n")


def test_the_server_outlives_odd_requests_and_browsers_that_go_away(served, add, make_value, monkeypatch, capsys):
    add(make_value(0.5))
    monkeypatch.setattr(server._Handler, "timeout", 0.2)
    with socket.create_connection(served.server_address) as idle:
        assert idle.recv(100) == b""  # hung up on, having said nothing
    for request in (b"GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", b"\x00\xff\r\n\r\n", b"GET " + b"x" * 70_000):
        with socket.create_connection(served.server_address) as rude:
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
            rude.sendall(request)
    monkeypatch.setattr(server, "html", lambda *_: 1 / 0)
    add(make_value(0.6), seed=1)  # so that the page is made anew
    assert "the page cannot be made: ZeroDivisionError" in fetch(served.url)
    assert capsys.readouterr().err == ""


def test_an_odd_record_does_not_take_the_page_away(served, add, make_value):
    add(make_value(0.5))
    path = served.store.folder(add(make_value(0.6), loss="bpr")) / "record.json"
    record = json.loads(path.read_text())
    del record["sha256"]
    path.write_text(json.dumps(record | {"finished": "yesterday"}))
    assert fetch(served.url).count("<button data-cell=") == 1
