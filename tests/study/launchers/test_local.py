"""The processes that train runs on this machine."""

from __future__ import annotations

import sys
from multiprocessing.context import SpawnProcess
from multiprocessing.spawn import get_preparation_data
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recbench.study.launchers.local import _processes


def test_a_process_does_not_run_the_script_that_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = ModuleType("__main__")
    script.__file__ = str(tmp_path / "script.py")
    monkeypatch.setitem(sys.modules, "__main__", script)
    assert "init_main_from_path" in get_preparation_data("usual")
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(SpawnProcess, "start", lambda process: asked.append(get_preparation_data(process.name)))
    with _processes(1) as pool:
        context = pool._mp_context  # type: ignore[attr-defined]
        context.Process(target=print).start()
    assert len(asked) == 1 and not {"init_main_from_path", "init_main_from_name"} & asked[0].keys()
    assert sys.modules["__main__"] is script
