"""The command line: parse, call, print. Heavy imports stand inside the commands."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from recbench import __version__
from recbench.cli import baselines, board, data, export, papers, plot, records, runs, sweep, verify
from recbench.cli.app import Json, app, print_json, stdout
from recbench.errors import RecbenchError

__all__ = [
    "app",
    "baselines",
    "board",
    "data",
    "entry",
    "export",
    "papers",
    "plot",
    "records",
    "runs",
    "sweep",
    "verify",
]

INTERRUPTED = 130
PANELS = {
    "Data": ("prepare", "check", "list", "doctor"),
    "Training and evaluation": ("train", "sweep", "eval", "baselines", "rescore", "card"),
    "Results": ("leaderboard", "board", "compare", "show", "plot", "export", "pack", "replay"),
    "Papers and methods of your own": ("papers", "reproduce", "verify"),
}


@app.command()
def doctor(as_json: Json = False) -> None:
    """Show versions, devices, threads, folders and what is prepared."""
    from recbench.inspect.doctor import examine
    from recbench.inspect.nested_table import report_table

    report = examine()
    if as_json:
        print_json(report)
    else:
        stdout().print(report_table(report))


def _arrange() -> None:
    """Put the commands into the panels of `recbench --help`, in this order."""
    place = {name: (panel, number) for panel, names in PANELS.items() for number, name in enumerate(names)}
    order = list(PANELS)

    def name_of(command: Any) -> str:
        return str(command.name or command.callback.__name__)

    commands: list[Any] = [*app.registered_commands, *app.registered_groups]
    for command in commands:
        command.rich_help_panel = place[name_of(command)][0]
    app.registered_commands.sort(key=lambda c: (order.index(place[name_of(c)][0]), place[name_of(c)][1]))


_arrange()


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Benchmark losses and backbones for recommendation with several kinds of implicit feedback."""
    if version:
        print(f"recbench {__version__}")
        raise typer.Exit


def entry() -> None:
    """Run the command line; every failure is one line on stderr, with exit code 2 for usage and 1 for the rest."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that cannot write × is no reason to fail
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # Typer turns Ctrl-C into this code
            raise KeyboardInterrupt
    except RecbenchError as error:
        code = _fail(str(error), error.exit_code, debug)
    except (KeyboardInterrupt, typer.Abort):
        hint = "; `recbench train --resume` goes on after the last finished epoch" if "train" in sys.argv else ""
        code = _fail(f"interrupted{hint}", INTERRUPTED, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        message = getattr(error, "format_message", None)
        if message is not None:  # what Typer found wrong with the command line; nothing where it printed help
            told = message().replace("Value error, ", "").rstrip(".")
            code = _fail(f"{told}; see `recbench --help`", 2, debug) if told else 2
        elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            code = _fail("out of memory; try a smaller --batch-size", 1, debug)
        else:
            code = _fail(f"unexpected {type(error).__name__}: {error}; a bug: run again with --debug", 1, debug)
    sys.exit(code)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        raise  # noqa: PLE0704
    line = " ".join(message.split())
    print(f"error: {line}", file=sys.stderr)
    return code
