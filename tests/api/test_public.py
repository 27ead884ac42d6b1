"""Functions for Python check their arguments and speak of arguments."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from torch import Tensor

import recbench as rb
from recbench.api.own_classes import _source
from recbench.api.public import in_python, public
from recbench.api.results import Leaderboard
from recbench.cli import bakeoff, compare, evaluate, leaderboard, papers, prepare, sweep, train
from recbench.errors import UsageError
from recbench.losses.base import create
from recbench.registry import Registry

EXAMPLES: tuple[Callable[..., Any], ...] = (
    *(rb.prepare, rb.prepared, rb.train, rb.runs, rb.fit_baselines, rb.sweep, rb.bakeoff, rb.compare, rb.leaderboard),
    *(
        rb.reproduce,
        rb.import_file,
        rb.Runs.evaluate,
        rb.Runs.encode,
        rb.Runs.export,
        rb.Runs.vectors,
        Leaderboard.write,
    ),
    *(rb.metrics.of_rows, rb.metrics.top_k),
)


@public
def spoken(
    number: int | None = None,
    share: float = 0.5,
    names: str | Sequence[str] = (),
    pair: tuple[int, int] = (1, 2),
    given: Mapping[str, float] | None = None,
    side: Literal["user", "item"] = "user",
    kind: type[Exception] = ValueError,
) -> int:
    """Fail with words of the command line."""
    raise UsageError("--number -5: expected another, as in --number 5; add --side user, or --launcher ray")


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ({"number": "5"}, "number='5': expected int | None, found str"),
        ({"number": 1.5}, "number=1.5: expected int | None, found float"),
        ({"share": None}, "share=None: expected float, found NoneType"),
        ({"names": [7]}, "names=[7]: expected str | list[str], found list"),
        ({"names": {"a": 1}}, "names={'a': 1}: expected str | list[str], found dict"),
        ({"pair": (1, 2, 3)}, "pair=(1, 2, 3): expected tuple[int, int], found tuple"),
        ({"given": ["a=1"]}, "given=['a=1']: expected dict[str, float] | None, found list"),
        ({"given": list(range(99))}, "given: expected dict[str, float] | None, found list"),
        ({"kind": ValueError()}, "kind=ValueError(): expected type[Exception], found ValueError"),
        ({"side": "itme"}, "unknown side `itme`; did you mean `item`? known: item, user"),
        ({"nmaes": "a"}, "unknown argument `nmaes` of spoken; did you mean `names`? known: "),
    ],
)
def test_what_is_of_another_type_is_refused(argument: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as error:
        spoken(**argument)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    "argument",
    [{"number": np.int64(5)}, {"share": 1}, {"share": np.float32(1)}, {"names": np.array(["a"])}, {"pair": [1, 2]}],
)
def test_what_is_of_the_type_is_not_refused_and_errors_name_arguments(argument: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as error:
        spoken(**argument)
    assert str(error.value) == "number=-5: expected another, as in number 5; add side user, or --launcher ray"
    assert error.value._render_traceback_() == [f"UsageError: {error.value}"]


@pytest.mark.parametrize(
    ("typed", "called"),
    [
        ("x is not prepared; run `recbench prepare x` first", 'x is not prepared; run `rb.prepare("x")` first'),
        ("run `recbench prepare x --split user`", "run `recbench prepare x --split user`"),
        (
            "for one of your own add --import FILE.py; known",
            'for one of your own call rb.import_file("FILE.py"); known',
        ),
        (
            "run only if you say so: add --import a.py, or --trust",
            'run only if you say so: call rb.import_file("a.py")',
        ),
        ("--set scale=x: expected", 'settings={"scale": "x"}: expected'),
        (
            "--metric is in `bce` and `recbench eval --metric auc`",
            "metrics is in `bce` and `recbench eval --metric auc`",
        ),
        ("-o /tmp: exists; choose another", "folder=/tmp: exists; choose another"),
        ("see `recbench list losses`; --max-memory 5: no", "see `rb.LOSSES`; max_memory 5: no"),
        ("Add --user COLUMN and --item COLUMN, one of a, b", 'Add user="COLUMN" and item="COLUMN", one of a, b'),
    ],
)
def test_commands_and_options_are_said_as_in_python(typed: str, called: str) -> None:
    assert in_python(typed) == called


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda function: function.__qualname__)
def test_the_example_of_each_function_calls_it_with_arguments_that_it_has(function: Callable[..., Any]) -> None:
    text = textwrap.dedent(str(function.__doc__).split("\n", 1)[1])
    example = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    called = [node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Call)]
    given = {node.func.attr: node.keywords for node in called if isinstance(node.func, ast.Attribute)}
    assert {keyword.arg for keyword in given[function.__name__]} <= set(inspect.signature(function).parameters)


COMMANDS_ONLY = {
    *("as_json", "form", "output", "imports", "trust", "resume", "context"),  # classes, tables and calls say it
    *("launcher", "address", "per_run", "partition", "time_limit"),  # from Python runs are trained on this machine
}
FUNCTIONS: tuple[tuple[Callable[..., Any], Callable[..., Any], dict[str, str | None]], ...] = (
    # command, function, and what its options are called there where it is something else; None: nothing
    (prepare.prepare, rb.prepare, {}),
    (train.train, rb.train, {"dataset": "data", "seed": "seeds", "select": "settings", "noise": "settings"}),
    (
        evaluate.evaluate,
        rb.Runs.evaluate,
        {"metric": "metrics", "run": "self", "dataset": "self", "no_baselines": "baselines"},
    ),
    (sweep.sweep, rb.sweep, {"dataset": "data", "seed": "seeds"}),
    (bakeoff.bakeoff, rb.bakeoff, {"time_column": "time"}),
    (papers.reproduce, rb.reproduce, {}),
    (compare.compare, rb.compare, {"method": "methods", "metric": "metrics"}),
    (
        leaderboard.leaderboard,
        rb.leaderboard,  # whose rows can be filtered; other tables than the board are the terminal's
        {"metric": "metrics", "everything": "every_setting", **dict.fromkeys(("run", "columns", "matrix", "against"))},
    ),
)


@pytest.mark.parametrize(("command", "function", "called"), FUNCTIONS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_function_takes_what_its_command_takes(
    command: Callable[..., Any], function: Callable[..., Any], called: dict[str, str | None]
) -> None:
    options, arguments = inspect.signature(command).parameters, inspect.signature(function).parameters
    assert called.keys() <= options.keys(), "an exception for no option"
    assert {called.get(name, name) for name in options.keys() - COMMANDS_ONLY} - {None} <= arguments.keys()


def test_the_source_of_a_class_of_a_notebook_is_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def source(gamma: float) -> str:
        cell = f"class Other: pass\n\nclass Own:\n    gamma = {gamma}\n\n    def forward(self):\n        return 1\n"
        monkeypatch.setitem(linecache.cache, "<cell>", (len(cell), None, cell.splitlines(True), "<cell>"))
        names: dict[str, Any] = {"__name__": "__prompt__"}
        exec(compile(cell, "<cell>", "exec"), names)
        return _source(names["Own"])

    assert source(1) == source(1) != source(2)
    with pytest.raises(UsageError, match="its source cannot be read; define it in a file or a plain cell"):
        _source(type("Made", (), {}))


def test_an_edited_file_takes_the_place_of_its_class(tmp_path: Path) -> None:
    registry: Registry[Any] = rb.METRICS
    file, other = tmp_path / "own.py", tmp_path / "other.py"
    code = "from recbench import METRICS\n\n@METRICS.add('edited')\nclass Own:\n    number = {}\n"
    for number in (1, 2):
        file.write_text(code.format(number))
        rb.import_file(file)
        assert registry.get("edited").number == number
    other.write_text(code.format(3))
    with pytest.raises(UsageError, match="metric `edited` is already defined in own.py"):
        rb.import_file(other)
    registry._classes.pop("edited")


def test_a_class_that_lacks_a_method_says_so() -> None:
    @rb.LOSSES.add("lacking")
    class Lacking(rb.Loss):
        """Nothing."""

    with pytest.raises(UsageError, match=r"loss `lacking` \(tests.api.test_public\) lacks `forward`; write it"):
        rb.LOSSES.get("lacking")
    rb.LOSSES._classes.pop("lacking")


def test_a_loss_that_cannot_be_made_says_how_it_is_made() -> None:
    class Bare(rb.Loss):
        """Of nothing."""

        name = "bare"

        def __init__(self) -> None:
            super().__init__(rb.Info(1, 1, (0.5,), ("like",)))

        def forward(self, towers: rb.Towers, batch: rb.Batch) -> Tensor:
            """Return zero."""
            return batch.label.sum() * 0

    with pytest.raises(UsageError, match=r"loss `bare` cannot be made of info .*write def __init__\(self, info, \*, "):
        create(Bare, rb.Info(1, 1, (0.5,), ("like",)), {})
