"""What several test files need: folders of their own, a small dataset, and the command line as a user types it."""

from __future__ import annotations

import functools
import io
import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import settings
from typer.models import CommandInfo

from recbench.backbones.base import BACKBONES
from recbench.baselines.base import BASELINES
from recbench.cli import entry
from recbench.data.dataset import Dataset
from recbench.data.toy import toy as make_dataset
from recbench.evaluation.metric import METRICS
from recbench.home import home, prepared_home
from recbench.losses.balance import BALANCES
from recbench.losses.base import LOSSES
from recbench.preparation import progress_display
from recbench.preparation.prepare import prepare
from recbench.registry import Registry
from recbench.samplers import SAMPLERS
from recbench.trackers.base import TRACKERS

settings.register_profile("suite", deadline=None)  # a busy machine is no failure
settings.load_profile("suite")
REGISTRIES: list[Registry[Any]] = [LOSSES, BALANCES, SAMPLERS, BACKBONES, METRICS, BASELINES, TRACKERS]

signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background ignore, and their children too


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's data or results."""
    monkeypatch.setenv("RECBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECBENCH_RESULTS", str(tmp_path / "results"))


@pytest.fixture(autouse=True)
def nothing_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line says what took long, on however busy a machine, where a test counts the lines of a command."""
    monkeypatch.setattr(progress_display, "QUIET", float("inf"))


@pytest.fixture(autouse=True)
def own_registries() -> Iterator[None]:
    """What a test imports is forgotten after it."""
    before = [(registry, dict(registry._classes)) for registry in REGISTRIES if registry.names()]
    yield
    for registry, classes in before:
        registry._classes = classes
    forget_imports()


def forget_imports() -> None:
    """Do as a new process would: no user file is imported yet."""
    own = "recbench_import_"
    for registry in REGISTRIES:
        for name in [name for name, cls in registry._classes.items() if cls.__module__.startswith(own)]:
            del registry._classes[name]
    for module in [name for name in sys.modules if name.startswith(own)]:
        del sys.modules[module]


@pytest.fixture
def toy() -> Dataset:
    return make_dataset()


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RECBENCH_HOME with `synthetic` in 2,000 rows, shared by all tests: to be read alone."""
    return _home_with_synthetic(tmp_path_factory, 2000)


@pytest.fixture(scope="session")
def medium_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in 4,000 rows."""
    return _home_with_synthetic(tmp_path_factory, 4000)


@pytest.fixture(scope="session")
def large_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in 20,000 rows."""
    return _home_with_synthetic(tmp_path_factory, 20_000)


def _home_with_synthetic(tmp_path_factory: pytest.TempPathFactory, rows: int) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        prepare("synthetic", rows=rows)
        return home()


@dataclass
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


make_program = typer.main.get_command


@functools.cache
def _program_of(app: typer.Typer, *_commands: CommandInfo) -> Any:
    return make_program(app)


def made_once(app: typer.Typer) -> Any:
    """The program of these commands. To make them all with their options takes 30 ms."""
    return _program_of(app, *app.registered_commands)


def type_command(*words: str) -> Result:
    """Type a command, in this process."""
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
        pytest.raises(SystemExit) as exit_info,
    ):
        patch.setattr(sys, "argv", ["recbench", *words])
        patch.setattr(typer.main, "get_command", made_once)
        entry()
    code = exit_info.value.code
    return Result(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


@pytest.fixture
def run() -> Run:
    """Types a command, where nothing is prepared."""
    return type_command


@pytest.fixture
def prepared(run: Run, medium_home: Path) -> Run:
    """Types a command where `synthetic` is prepared, in 4,000 rows."""
    shutil.copytree(medium_home / "prepared", prepared_home())
    return run
