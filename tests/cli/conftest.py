"""The command line as a user types it, in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from recbench.cli import entry


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


def forget_imports() -> None:
    """Do as a new process would: no user file is imported yet."""
    for module in [name for name in sys.modules if name.startswith("recbench_import_")]:
        del sys.modules[module]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command; its exit code and what it printed."""

    def type_command(*words: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["recbench", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            entry()
        printed = capsys.readouterr()
        code = exit_info.value.code
        return Result(code if isinstance(code, int) else 0, printed.out, printed.err)

    return type_command


@pytest.fixture
def prepared(run: Run) -> Run:
    """The same, after `recbench prepare synthetic` on a small log."""
    assert run("prepare", "synthetic", "--rows", "4000").code == 0
    return run
