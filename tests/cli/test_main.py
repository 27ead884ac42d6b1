"""Every command: its help, its examples, and one line for whatever is wrong with what was typed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import typer
from typer.core import TyperGroup, TyperOption

from recbench.cli import app, main
from recbench.cli.app import command
from recbench.cli.main import explain
from recbench.errors import DataError
from recbench.home import results_home
from tests.conftest import Run

ROOT = typer.main.get_command(app)


def commands(group: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, member in group.commands.items():
        yield (*path, name)
        if isinstance(member, TyperGroup):
            yield from commands(member, (*path, name))


def find(path: tuple[str, ...]) -> Any:
    found: Any = ROOT
    for name in path:
        found = found.commands[name]
    return found


ALL = sorted(commands())
LEAVES = [path for path in ALL if not isinstance(find(path), TyperGroup)]


@pytest.mark.parametrize("path", [(), *ALL], ids=" ".join)
def test_help(run: Run, path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert (result.code, result.err) == (0, "")
    assert f"Usage: {' '.join(('recbench', *path))}" in result.out


def wrong_words(path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Three ways of typing a command wrongly: an unknown option, an option given twice, an empty value."""
    options = [option for option in find(path).params if isinstance(option, TyperOption) and not option.is_flag]
    single = next((option.opts[0] for option in options if not option.multiple), None)
    if single is None:  # flags alone
        return [("--no-such-option",), ("a", "b", "c"), ("--json=maybe",)]
    return [("--no-such-option",), (single, "1", single, "2"), (single, "", "a")]


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
@pytest.mark.parametrize("number", range(3))
def test_what_is_wrong_is_one_line(run: Run, path: tuple[str, ...], number: int) -> None:
    result = run(*path, *wrong_words(path)[number])
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1), result.err
    assert result.err.startswith("error: ") and "Traceback" not in result.err
    if number == 0:
        assert f"see `{' '.join(('recbench', *path))} --help`" in result.err


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_examples_are_commands(path: tuple[str, ...]) -> None:
    examples = find(path).epilog.removeprefix("Examples: ").split("`")[1::2]
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" > ")[0])
        assert tuple(words[: len(path) + 1]) == ("recbench", *path)
        find(path).make_context(example, words[len(path) + 1 :])


def test_the_first_steps_come_first(run: Run) -> None:
    names = [line.split()[1] for line in run("--help").out.splitlines() if line[:2] == "│ " and line[2].isalpha()]
    assert names.index("prepare") < names.index("train") < names.index("leaderboard")
    assert names.index("train") + 1 == names.index("eval")


@pytest.mark.parametrize("words", [(), ("train",), ("plot",), ("plot", "kernels")], ids=" ".join)
def test_help_on_a_narrow_terminal_cuts_no_name(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    wide = run(*words, "--help").out
    monkeypatch.setenv("COLUMNS", "40")
    narrow = run(*words, "--help").out
    assert {*re.findall(r"^│ (--[a-z-]+)", wide, re.MULTILINE)} <= {
        *re.findall(r"^ +(?:-o, )?(--[a-z-]+)", narrow, re.MULTILINE)
    }
    monkeypatch.setenv("COLUMNS", "80")
    assert run(*words, "--help").out == wide


def test_help_loads_nothing_that_a_command_alone_needs() -> None:
    costly = "{'torch', 'polars', 'numpy', 'recbench.registry'}"
    code = f"import sys, recbench.cli.main; print({costly} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_command_of_a_panel_of_its_own_ends_no_other(run: Run) -> None:
    @command("Elsewhere", "recbench novel")
    def novel() -> None:
        """Do something new."""

    try:
        result = run("--help")
        assert result.code == 0 and "Elsewhere" in result.out and "Do something new." in result.out
        assert run("novel").code == 0
    finally:
        app.registered_commands = [info for info in app.registered_commands if info.callback is not novel]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("train", "--loss", "bce", "--loss", "bpr"),
            "--loss is given 2 times; join several by commas, as in --loss bce,bpr",
        ),
        (("train", "--feedback", "a", "--feedback", "b"), "--feedback is given 2 times; join its values by commas"),
        (("train", "--lr", "0.1", "--set", "train.lr=0.2"), "train.lr is set by `--lr 0.1` too; leave one out"),
        (("train", "--set", "loss.scale=1", "--set", "loss.scale=1"), "is set by `--set loss.scale=1` too"),
        (
            ("sweep", "--losses", "bce", "--set", "train.lr=1", "--set", "train.lr=2"),
            "is set by `--set train.lr=1` too",
        ),
        (("baselines", "--set", "ials.alpha=1", "--set", "ials.alpha=2"), "is set by `--set ials.alpha=1` too"),
        (("train", "--backbone", ""), "--backbone is empty; give a value, or leave it out"),
        (("eval", "--metric", ""), "--metric is empty; give a value, or leave it out"),
        (("prepare", ""), "dataset is empty; give a value, or leave it out"),
        (("train", "--import", "."), ": a folder; name a file"),
        (("train", "--epochs", "1.5"), "--epochs 1.5: expected a whole number from 1 to 1,000,000,000"),
        (("train", "--seeds", "1e9"), "--seeds 1e9: expected a whole number from 1 to 10,000"),
        (("train", "--seed", "1e30"), "--seed 1e30: expected a whole number from 0 to"),
        (("train", "--seed", str(2**62), "--seeds", "2"), "the last seed is above 4,611,686,018,427,387,904"),
        (("train", "--set", "train.batch_size=99999999999999999999"), "expected a whole number below 2^63"),
        (("train", "--noise", "pos=2"), "noise pos=2.0: expected a share from 0 to 1"),
        (("train", "--dataset", "ml100k"), "did you mean `ml-100k`?"),
        (("board", "--port", "65536"), "--port 65536: expected a whole number from 0 to 65,535"),
        (("prepare", "synthetic", "--rows", "1e12"), "--rows 1e12: expected a whole number from 1 to 1,000,000,000"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_what_cannot_be_meant(prepared: Run, words: tuple[str, ...], message: str) -> None:
    result = prepared(*words)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert message in result.err
    assert not results_home().exists()


@pytest.mark.parametrize("words", [("pack",), ("leaderboard", "--format", "csv"), ("plot", "kernels")], ids=" ".join)
def test_what_is_not_a_file_is_not_replaced(prepared: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    result = prepared(*words, "-o", str(pipe))
    assert (result.code, result.err) == (2, f"error: -o {pipe}: not a regular file; choose another name\n")
    assert pipe.is_fifo()
    for folder in (".", "/", str(tmp_path)):
        result = prepared(*words, "-o", folder)
        assert (result.code, result.err) == (2, f"error: -o {folder}: a folder; name a file in it\n")


def test_whole_numbers_are_read_in_every_form(prepared: Run) -> None:
    words = ("train", "--loss", "bpr", "--backbone", "mf", "--batch-size", "1_000", "--set", "backbone.dim=1e1")
    assert prepared(*words, "--epochs", "2e0").code == 0
    (path,) = results_home().rglob("record.json")
    settings = json.loads(path.read_text())["key"]["settings"]
    assert (settings["train.epochs"], settings["train.batch_size"], settings["backbone.dim"]) == (2, 1000, 10)


def test_more_memory_than_there_is(prepared: Run) -> None:
    result = prepared("train", "--loss", "bpr", "--backbone", "mf", "--set", "backbone.dim=1e15")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "backbone.dim: " in result.err and " vectors of 1,000,000,000,000,000 numbers take " in result.err
    assert result.err.endswith(" GiB of this machine; give a smaller one\n")


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (DataError("x.csv: damaged"), "x.csv: damaged", 1),
        (MemoryError(), "out of memory", 1),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory"), "out of", 1),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory", 1),
        (IsADirectoryError(21, "Is a directory", "/tmp"), "/tmp: Is a directory", 1),
        (PermissionError(13, "Permission denied", "/root/x"), "/root/x: Permission denied", 1),
        (OSError(28, "No space left on device"), "output: No space left on device", 1),
        (BrokenPipeError(), "", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (typer.BadParameter("too large"), "Invalid value: too large; see `recbench --help`", 2),
        (
            UnicodeEncodeError("utf-8", "/x\udce9", 2, 3, "surrogates not allowed"),
            "/x\udce9: a name that is not UTF-8",
            1,
        ),
        (KeyError("x"), "unexpected KeyError: 'x'; a bug: run again with --debug", 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_errors_are_explained(error: BaseException, message: str, code: int) -> None:
    line, exit_code = explain(error)
    assert line.startswith(message) and exit_code == code
    assert bool(line) == bool(message)


def test_an_interrupt_while_it_starts_is_one_line() -> None:
    code = (
        "import importlib.abc, sys\n"
        "class Interrupt(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "import recbench.cli"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (130, "error: interrupted\n")


def module(*words: str, stdout: Any = subprocess.PIPE, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m recbench`."""
    environment = os.environ | variables
    command = [sys.executable, "-m", "recbench", *words]
    return subprocess.run(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(closed: str, tmp_path: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m recbench doctor {closed}"
    finished = subprocess.run(["bash", "-c", command], env=os.environ | {"RECBENCH_HOME": str(tmp_path)}, check=False)
    assert finished.returncode == 0


def test_a_panic_of_polars_is_one_line() -> None:
    """A panic is no `Exception`."""
    code = (
        "import sys; from recbench.cli import main; sys.argv = ['recbench', 'list']\n"
        "class Panic(BaseException): pass\n"
        "def fail(*_, **__): raise Panic('odd')\n"
        "main.app = fail; main.entry()"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (
        1,
        "error: unexpected Panic: odd; a bug: run again with --debug\n",
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        finished = module("papers", "--json", stdout=full)
    assert (finished.returncode, finished.stderr) == (1, "error: output: No space left on device\n")


def test_completion() -> None:
    finished = module(_RECBENCH_COMPLETE="complete_bash", COMP_WORDS="recbench tr", COMP_CWORD="1")
    assert finished.stdout.split() == ["train"]


def test_completion_can_be_installed(run: Run) -> None:
    assert "--install-completion" in run("--help").out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_out_as_another_error_is_an_interruption(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """As it does while torch is imported: an extension that cannot be initialised is an ImportError."""

    def broken_import(**_: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    monkeypatch.setattr(main, "app", broken_import)
    usual = signal.getsignal(number)
    told = run("doctor")
    assert (told.code, told.err) == (130, "error: interrupted\n")
    assert signal.getsignal(number) == usual


def test_baselines_that_are_interrupted_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbench.run.baselines.run_baselines", Mock(side_effect=KeyboardInterrupt))
    told = run("baselines")
    assert (told.code, told.err) == (130, "error: interrupted; what is fitted is kept, and the same command goes on\n")
