"""The program `recbench`: runs a command and turns every failure into one line."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import signal
import sys
import threading
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from recbench import __version__, torchrun
from recbench.cli.app import NAME, app
from recbench.errors import RecbenchError, UsageError
from recbench.terminal import IN_ASCII, print_text
from recbench.threads import spin_briefly

INTERRUPTED = 130
OUT_OF_MEMORY = ("out of memory", "t allocate memory", "not enough memory", "Storage size calculation overflowed")

for module in pkgutil.iter_modules([str(Path(__file__).parent)]):  # each registers its commands
    importlib.import_module(f"recbench.cli.{module.name}")


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Benchmark losses and backbones for recommendation with several kinds of implicit feedback."""
    if version:
        print(f"{NAME} {__version__}")
        raise typer.Exit


def entry() -> None:
    """Run the command line; every failure is one line on stderr, with exit code 2 for usage and 1 for the rest."""
    spin_briefly()
    _open_closed_streams()
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=IN_ASCII)  # a console that cannot write × is no reason to fail
    interrupt = _Interrupt()
    try:
        if torchrun.place() is not None and sys.argv[1:2] not in (["train"], ["eval"]):
            raise UsageError("torchrun starts `recbench train` and `eval` alone; type other commands without it")
        code = app(standalone_mode=False, prog_name=NAME)
        sys.stdout.flush()
        if code == INTERRUPTED:  # Typer turns Ctrl-C into this code
            raise KeyboardInterrupt
    except BaseException as error:  # a panic of polars is no Exception
        if debug or isinstance(error, SystemExit):
            raise
        if interrupt.came and not isinstance(error, RecbenchError):
            error = KeyboardInterrupt()  # within an import of torch, Ctrl-C comes out as any error
        if isinstance(error, OSError) and error.filename is None:  # stdout: full or closed
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        message, code = explain(error)
        if message and _speaks(error):
            print_error(message)
    finally:
        interrupt.forget()
    sys.exit(code)


class _Interrupt:
    """Remembers whether Ctrl-C or SIGTERM came, where they are not ignored as Ctrl-C in jobs in the background."""

    def __init__(self) -> None:
        self.came = False
        heard = {signal.SIGINT: signal.getsignal(signal.SIGINT), signal.SIGTERM: signal.getsignal(signal.SIGTERM)}
        if torchrun.place() is not None:  # of several processes, one that waits for another could not be interrupted
            del heard[signal.SIGTERM]
        self._usual = {
            number: usual for number, usual in heard.items() if usual in (signal.default_int_handler, signal.SIG_DFL)
        }
        if threading.current_thread() is threading.main_thread():
            for number in self._usual:
                signal.signal(number, self._notice)

    def _notice(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.default_int_handler(number, frame)

    def forget(self) -> None:
        """Leave both to what they meant before."""
        for number, usual in self._usual.items():
            if signal.getsignal(number) == self._notice:
                signal.signal(number, usual)


def _speaks(error: BaseException) -> bool:
    """Return whether this process is to tell of an error: of those that torchrun started, the first of a machine.

    What is a bug is told by every one.
    """
    place = torchrun.place()
    return place is None or place.local_rank == 0 or explain(error)[0].startswith("unexpected")


def _open_closed_streams() -> None:
    """Let standard streams that the caller has closed lead nowhere; else the next file opened takes their place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 (the function takes no name)
    os.close(descriptor)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8"))


def print_error(message: str) -> None:
    """Print one line that steers no terminal, whatever names of files and data stand in it."""
    print_text("error: " + " ".join(message.split()), stderr=True)


def _runs_hint(error: BaseException) -> str:
    """Return what to type where a run was named without `--run` to a command that has this option; else ""."""
    context, words = getattr(error, "ctx", None), re.search(r"unexpected extra argument\S* \((.*)\)", str(error))
    if context is None or words is None or not any("--run" in option.opts for option in context.command.params):
        return ""
    return f"; runs are named by {' '.join(f'--run {word}' for word in words[1].split())}"


def explain(error: BaseException) -> tuple[str, int]:
    """Return what to tell the user about an error, and the exit code; "" where there is nothing to tell."""
    wrong_command_line = getattr(error, "format_message", None)
    if isinstance(error, RecbenchError):
        return str(error), error.exit_code
    if wrong_command_line is not None:  # from Typer; without a message after it has printed help
        message = wrong_command_line().replace("Value error, ", "").rstrip(".")
        context = getattr(error, "ctx", None)
        command = NAME if context is None else context.command_path
        return message and f"{message}{_runs_hint(error)}; see `{command} --help`", 2
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "interrupted", INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return "", 1
    if isinstance(error, MemoryError) or any(word in str(error) for word in OUT_OF_MEMORY):
        return "out of memory; a smaller --batch-size, backbone.dim or dataset takes less", 1
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return f"{error.object}: a name that is not UTF-8, which cannot be read here; rename it", 1
    if isinstance(error, OSError):
        place = "output" if error.filename is None else error.filename
        return f"{place}: {error.strerror or error}", 1
    from recbench.registry import line_of  # here, so that starting stays fast

    if line := line_of(error):
        return f"{type(error).__name__}: {error}{line}; --debug shows the way there", 1
    return f"unexpected {type(error).__name__}: {error}; a bug: run again with --debug", 1
