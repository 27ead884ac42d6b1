"""What all commands share: how they are registered, where they print, where results are kept."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from recbench.errors import UsageError
from recbench.home import results_home
from recbench.terminal import TerminalConsole, as_json_text, print_line

if TYPE_CHECKING:
    from rich.console import Console

    from recbench.results.record import RunRecord
    from recbench.results.store import Store
    from recbench.run.evaluate import EvaluatedRun
    from recbench.run.invocation import Invocation

F = TypeVar("F", bound=Callable[..., None])

NAME = "recbench"
DATA = "Data"
TRAINING = "Training and evaluation"
RESULTS = "Results"
OWN = "Papers and methods of your own"
PANELS = (DATA, TRAINING, RESULTS, OWN)  # in the order of `recbench --help`
FIRST_STEPS = ("bakeoff", "prepare", "train", "eval", "leaderboard")
NARROW = 60  # columns below which help has no panels
INSTEAD = {"--loss": "join several by commas, as in --loss bce,bpr"}  # of an option that is given twice


class NarrowHelp:
    """Help that is plain text on a terminal of few columns, where panels cut the names of options."""

    rich_markup_mode: Any

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of a command or group."""
        columns, usual = get_terminal_size().columns, self.rich_markup_mode
        if columns < NARROW:
            self.rich_markup_mode, formatter.width = None, columns
        super().format_help(ctx, formatter)  # type: ignore[misc]
        self.rich_markup_mode = usual


class Panels(NarrowHelp, TyperGroup):
    """The commands panel by panel, the first steps first; a panel that is not in PANELS comes last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""

        def place(order: Sequence[str], word: str) -> int:
            return order.index(word) if word in order else len(order)

        def key(name: str) -> tuple[int, int]:
            panel = self.commands[name].rich_help_panel  # type: ignore[attr-defined]
            return place(PANELS, panel), place(FIRST_STEPS, name)

        return sorted(self.commands, key=key)


class Command(NarrowHelp, TyperCommand):
    """A command that refuses empty values, and a second value for an option that takes one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return the arguments left over; raises UsageError for an option that is given twice or is empty."""
        given, _, parameters = self.make_parser(ctx).parse_args(list(args))
        for parameter, count in Counter(parameters).items():
            if count > 1 and isinstance(parameter, TyperOption) and not (parameter.multiple or parameter.is_flag):
                option = parameter.opts[0]
                joined = "join its values by commas" if "joined by commas" in (parameter.help or "") else "give it once"
                raise UsageError(f"{option} is given {count} times; {INSTEAD.get(option, joined)}")
        for parameter in parameters:
            value = given[parameter.name]
            if value == "" or (isinstance(value, list | tuple) and "" in value):
                raise UsageError(f"{parameter.opts[0]} is empty; give a value, or leave it out")
        return super().parse_args(ctx, args)


app = typer.Typer(
    name=NAME,
    cls=Panels,
    help="Benchmark losses and backbones for recommendation with several kinds of implicit feedback.",
    epilog="First steps: `recbench prepare synthetic`, `recbench train --loss gnolr --backbone twintower`, "
    "`recbench eval`, `recbench leaderboard`. Add --debug to any command for a traceback.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def command(panel: str | None, *examples: str, name: str | None = None, group: typer.Typer = app) -> Callable[[F], F]:
    """Register a command of the app or of a group: its panel in the help, and examples as they are typed."""
    epilog = f"Examples: {', '.join(f'`{example}`' for example in examples)}."
    return group.command(name, cls=Command, rich_help_panel=panel, epilog=epilog)


def command_group(name: str, panel: str, about: str) -> typer.Typer:
    """Register a command that has commands of its own."""
    group = typer.Typer(cls=Panels, help=about, no_args_is_help=True)
    app.add_typer(group, name=name, rich_help_panel=panel)
    return group


def store() -> Store:
    """Return the store of results."""
    from recbench.results.store import Store

    return Store(results_home())


def stderr() -> Console:
    """Return the console for progress and notes."""
    return TerminalConsole(stderr=True)


def stdout() -> Console:
    """Return the console for what was asked for."""
    return TerminalConsole()


def invocation() -> Invocation:
    """Return the command that was typed, with the store and the console that it works with."""
    from recbench.run.invocation import Invocation

    return Invocation(store(), stderr(), typed_command())


def print_json(document: object) -> None:
    """Print one JSON document on stdout."""
    print(as_json_text(document))


def print_evaluations(evaluated: list[EvaluatedRun], as_json: bool) -> None:
    """Print what runs were evaluated to."""
    from recbench.inspect.evaluation_tables import evaluations_json, evaluations_table

    if as_json:
        print_json(evaluations_json(evaluated))
    else:
        stdout().print(evaluations_table(evaluated))


def print_warnings(results: Store) -> None:
    """Print a line for every file of results that was skipped."""
    for line in dict.fromkeys(results.warnings):
        stderr().print(f"warning: {line}", soft_wrap=True)


def one_run(word: str | None, results: Store) -> RunRecord:
    """Return the run that a word means, None meaning the latest, and say which it is where it means several."""
    record, note = results.one(word)
    for line in filter(None, (*results.notes, note)):
        print_line(stderr(), line, "dim")
    return record


def typed_command() -> str:
    """Return the command as it was typed, for the record of a run."""
    return shlex.join([NAME, *sys.argv[1:]])
