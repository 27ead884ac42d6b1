"""Runs that are trained pass after pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from recbench.study import train_runs
from recbench.study.launchers.base import Work


def test_a_launcher_is_opened_once_and_only_where_a_run_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    @contextmanager
    def launch(*_: object) -> Iterator[str]:
        said.append("opened")
        yield "trained"
        said.append("closed")

    def run_missing(keys: Any, words: Any, store: Any, launcher: str, display: Any) -> dict[str, str]:
        return {key.digest: launcher for key in keys}

    monkeypatch.setattr(train_runs, "launch", launch)
    monkeypatch.setattr(train_runs, "run_missing", run_missing)
    monkeypatch.setattr(train_runs, "is_complete", lambda key, store: key.digest == "old")
    monkeypatch.setattr(train_runs.Store, "record", lambda store, key: "on record")
    old, new, newer = (cast(Any, SimpleNamespace(digest=name)) for name in ("old", "new", "newer"))
    work = Work(tmp_path, "cpu", (), "")
    with train_runs.RunTrainer(cast(Any, None), work, Console(quiet=True)) as train:
        assert train([old], "first pass") == {"old": "on record"}
        assert said == []
        assert train([old, new], "second pass") == {"old": "trained", "new": "trained"}
        assert train([newer], "third pass") == {"newer": "trained"}
        assert said == ["opened"]
    assert said == ["opened", "closed"]
