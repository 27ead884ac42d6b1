"""`recbench example`: what it writes prepares as it is typed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.conftest import Run


def test_the_example_is_complete(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mein laden"
    result = run("example", "shop", str(folder))
    assert result.code == 0
    typed = [line.strip() for line in result.out.splitlines()[1:]]
    assert shlex.split(typed[0]) == ["cd", str(folder)]
    monkeypatch.chdir(folder)
    prepared = run(*shlex.split(typed[1])[1:])
    assert prepared.code == 0, prepared.err
    assert "warning" not in prepared.err
    for word in ("share of rows with view", "share of rows with buy", "city", "none of 9 rules broken"):
        assert word in prepared.out
    again = run("example", "shop", str(folder))
    assert again.code == 2
    assert "exists; name a new folder" in again.err
