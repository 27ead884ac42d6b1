"""Files of results that somebody altered: every command ends at once, with numbers or with one line that says why."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbench.errors import DataError
from recbench.home import results_home
from recbench.results import sweeps
from recbench.results.json_structs import canonical, decode
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.results.sweeps import Sweep, Trial
from recbench.results.user_contributions import UserContributions, write_contributions
from tests.conftest import Run
from tests.results.conftest import auc, evaluation_of, key_of, record_of

ALTERED = 300
SECONDS = 20  # for one command on a busy machine; those that hang take for ever
ODD: list[Any] = [
    *(
        None,
        True,
        [],
        {},
        [[]],
        "",
        "\x1b]0;x\x07\u202e",
        "x" * 300,
        "a" * 10_000_000,
        "2025-01-01",
        "99999-01-01T00:00",
    ),
    *(-1, 0, 10**30, 2**63, -(10**18), 1e308, -1e308, 1e-320, 0.5, "nan", "=1+1", "../../x", "/dev/zero"),
]
RAW = [
    b"",
    b"{",
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b"NaN",
    b"\0" * 5000,
    b'"\\ud800"',
]
COMMANDS = [
    *(("show",), ("show", "--json"), ("leaderboard",), ("leaderboard", "--json"), ("leaderboard", "--format", "csv")),
    *(("leaderboard", "--format", "html"), ("leaderboard", "--format", "markdown"), ("compare", "bce", "gnolr")),
    *(("plot", "curves", "--json"), ("leaderboard", "--against", "gnolr/table2"), ("plot", "quality-time", "--json")),
    *(("train", "--resume"), ("eval", "--metric", "auc"), ("plot", "sensitivity", "--setting", "loss.scale", "--json")),
    *(("pack", "-o", "again.json"), ("replay", "pack.json")),
]


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    store = Store(results_home())
    keys = [key_of(loss=loss, seed=seed, settings={"loss.scale": 2.0}) for loss in ("bce", "gnolr") for seed in (0, 1)]
    for key in keys:
        store.write_record(record_of(key, imports=[]))
        evaluation = evaluation_of(key, auc(0.7), auc(None, feedback="buy"))
        store.add_evaluation(key, evaluation)
        sums = UserContributions(np.arange(50), np.random.default_rng(key.seed).random(50), np.ones(50))
        write_contributions(store, key, evaluation, {("auc", "click", "auc|ties:half"): sums})
    store.write_plan(keys[:1], [], "recbench train")
    trial = Trial("bce", ["train.lr=0.1"], [keys[0].digest], "auc", 0.7, None, 1.5)
    words = {"bce": ["train.lr=0.1"]}
    finished = "2025-01-01T00:00:00.000000+00:00"
    sweep = Sweep(
        *("mf", {"bce": keys[0].group}, words["bce"], "grid", 1, [0], [trial]), words, {"bce": "x"}, "x", finished
    )
    sweeps.write(store, sweep)
    store.pack(store.record(keys[0]), tmp_path / "pack.json")
    return store


def alter_values(path: Path, draw: random.Random) -> None:
    """Put odd values into a JSON file, some with a digest that fits, some where a key that fits says so."""
    data = json.loads(path.read_text())
    for _ in range(draw.choice((1, 1, 1, 3))):
        places: list[tuple[Any, Any]] = []
        waiting = [data]
        while waiting:
            node = waiting.pop()
            members = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
            places += [(node, name) for name, _ in members if name != "sha256"]
            waiting += [member for _, member in members if isinstance(member, dict | list)]
        node, name = draw.choice(places)
        kind = draw.randrange(6)
        if kind == 0 and isinstance(node, dict):
            del node[name]
        elif kind == 1 and isinstance(node, dict):
            node["new"] = draw.choice(ODD)
        else:
            node[name] = draw.choice(ODD)
    del data["sha256"]
    if draw.random() < 0.5:
        data["sha256"] = sha256(canonical(data)).hexdigest()
    path.write_text(json.dumps(data))
    if path.name == "record.json" and isinstance(data.get("key"), dict):
        try:  # as someone would who knows how records are named
            folder = Store(results_home()).folder(decode(RunKey, data["key"], "key"))
        except DataError:
            return
        if folder != path.parent and not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            path.parent.rename(folder)


def alter_bytes(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 8, 200))):
        content[draw.randrange(len(content))] = draw.randrange(256)
    path.write_bytes(content[: draw.choice((len(content), draw.randrange(len(content))))])


def replace_it(path: Path, draw: random.Random) -> None:
    path.unlink()
    kind = draw.randrange(6)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.symlink_to("/dev/zero")
    elif kind == 2:
        path.mkdir()
    elif kind == 3:
        path.symlink_to(path)
    else:
        path.write_bytes(draw.choice(RAW))


def alteration(path: Path, draw: random.Random) -> Callable[[Path, random.Random], None]:
    kinds = [alter_bytes, replace_it] + [alter_values] * 4 * (path.suffix == ".json")
    return draw.choice(kinds)


def test_altered_files_end_no_command(filled: Store, run: Run, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(filled.root, whole)
    pack = (tmp_path / "pack.json").read_bytes()
    draw, failures = random.Random(17), []
    for number in range(ALTERED):
        files = sorted(path for path in filled.root.rglob("*") if path.is_file()) + [tmp_path / "pack.json"]
        path = draw.choice(files)
        command = ("replay", "pack.json") if path.name == "pack.json" else draw.choice(COMMANDS)
        change = alteration(path, draw)
        change(path, draw)
        started = time.perf_counter()
        result = run(*command)
        where = f"{number}: {change.__name__} of {path}, then {' '.join(command)}: {result.err[-500:]}"
        ended = result.code in (0, 1, 2) and "a bug: run again" not in result.err and "Traceback" not in result.err
        printed = result.out + result.err
        clean = "\x1b" not in printed and "\u202e" not in printed
        short = all(len(line) < 5000 for line in result.err.splitlines())
        if not (ended and clean and short and time.perf_counter() - started < SECONDS):
            failures.append(where)
        shutil.rmtree(filled.root)
        shutil.copytree(whole, filled.root)
        if (tmp_path / "pack.json").is_dir():
            (tmp_path / "pack.json").rmdir()
        (tmp_path / "pack.json").unlink(missing_ok=True)
        (tmp_path / "pack.json").write_bytes(pack)
    assert failures == []
