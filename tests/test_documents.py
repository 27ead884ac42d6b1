"""The examples of the documents work as printed, and what the documents name is there."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import linecache
import re
import shlex
import sys
from collections import Counter
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

import recbench as rb
from recbench import readers
from recbench.cli.main import app
from recbench.home import results_home
from recbench.sources import check_spec
from recbench.sources.dataset_spec import DatasetSpec
from tests.conftest import Run

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md", "benchmarks/README.md")
DOCUMENTS = [*(ROOT / name for name in PAGES), *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = "".join(
    (ROOT / name).read_text() for name in ("README.md", "docs/extend.md", "docs/datasets.md", "docs/python.md")
)
NOTEBOOK = json.loads((ROOT / "docs" / "notebook.ipynb").read_text())


def block(language: str, start: str) -> str:
    """Return the fenced block that begins with these words."""
    blocks = re.findall(rf"```{language}\n(.*?)```", EXAMPLES, re.DOTALL)
    (code,) = [code for code in blocks if code.startswith(start)]
    return str(code)


def commands(start: str) -> list[str]:
    """Return the indented command lines that begin with these words."""
    return [line.strip() for line in EXAMPLES.splitlines() if line.startswith(f"    recbench {start}")]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Write an example to a file of the name in its first line, and stand beside it."""
    monkeypatch.chdir(tmp_path)
    Path(request.param).write_text(block("python", f"# {request.param}"))
    return str(request.param)


@pytest.mark.parametrize(
    "example",
    ["focal.py", "hinge.py", "agreement.py", "lottery.py", "shallow.py", "described.py", "gru.py", "heavy.py"],
    indirect=True,
)
def test_examples_train_as_typed(prepared: Run, example: str) -> None:
    (command,) = commands(f"train --import {example}")
    assert prepared(*command.split()[1:], "--epochs", "2").code == 0
    assert prepared("eval", "--import", example, "--metric", "auc").code == 0


@pytest.mark.parametrize("example", ["lines.py"], indirect=True)
def test_the_example_of_a_tracker_writes_as_typed(prepared: Run, example: str) -> None:
    (command,) = commands(f"train --track {example}")
    assert prepared(*command.split()[1:], "--epochs", "2").code == 0
    lines = [json.loads(line) for line in (results_home() / "epochs.jsonl").read_text().splitlines()]
    assert [line.get("epoch") for line in lines] == [1, 2, None] and lines[2]["best_epoch"] in (1, 2)


@pytest.mark.parametrize("example", ["focal.py", "hinge.py", "agreement.py"], indirect=True)
def test_examples_of_losses_are_verified_as_typed(run: Run, example: str) -> None:
    (command,) = commands(f"verify loss {example}")
    assert run(*command.split()[1:]).code == 0


@pytest.mark.parametrize(("name", "result"), [("two_losses.py", "best"), ("own.py", "table"), ("scores.py", "recall")])
def test_examples_in_python_run(name: str, result: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": name.removesuffix(".py")}
    exec_source(block("python", f"# {name}"), names, monkeypatch)
    assert len(str(names[result])) > 3


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "notebook"}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            exec_source("".join(cell["source"]), names, monkeypatch)
    board = names["rb"].leaderboard("synthetic", metrics="auc").to_polars()
    assert {"gnolr", "bce", "squared", "popularity"} <= set(board["loss"])


def exec_source(source: str, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run code of which `inspect` finds the source, as a notebook does."""
    place = f"<{names['__name__']} {len(linecache.cache)}>"
    monkeypatch.setitem(linecache.cache, place, (len(source), None, source.splitlines(True), place))
    monkeypatch.setitem(sys.modules, names["__name__"], ModuleType(names["__name__"]))  # of no file
    exec(compile(source, place, "exec"), names)


@pytest.mark.parametrize("example", ["brier.py"], indirect=True)
def test_the_metric_of_rows_evaluates_as_typed(prepared: Run, example: str) -> None:
    prepared("train", "--loss", "nsb", "--backbone", "mf", "--epochs", "1")
    (command,) = commands(f"eval --import {example}")
    rows = prepared(*command.split()[1:], "--json").json
    assert [row["feedback"] for row in rows] == ["view", "cart", "buy"]
    assert rows[0]["bound"] < rows[0]["value"]  # of the views; the other kinds have few positives here
    assert "better=lower; source=" in rows[0]["signature"]


@pytest.mark.parametrize("example", ["first.py"], indirect=True)
def test_the_metric_of_lists_evaluates_as_typed(prepared: Run, example: str) -> None:
    prepared("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1")
    (command,) = commands(f"eval --import {example}")
    (first,) = prepared(*command.split()[1:], "--json").json
    (hit,) = prepared("eval", "--metric", "hr@1", "--json").json
    assert first["value"] == hit["value"]


@pytest.mark.parametrize("example", ["tail.py"], indirect=True)
def test_the_metric_of_items_evaluates_as_typed(prepared: Run, example: str) -> None:
    prepared("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1")
    (command,) = commands(f"eval --import {example}")
    (tail,) = prepared(*command.split()[1:], "--json").json
    (arp,) = prepared("eval", "--metric", "arp@10", "--json").json
    assert tail["counted"] == arp["counted"] and 0 < tail["value"] < 1
    assert "users=with rows" in tail["signature"]


@pytest.mark.parametrize("example", ["capped.py"], indirect=True)
def test_the_baseline_is_searched_and_fitted_as_typed(prepared: Run, example: str) -> None:
    (command,) = commands(f"baselines --import {example}")
    rows = prepared(*command.split()[1:], "--metric", "auc", "--json").json
    assert {row["loss"] for row in rows} == {"capped-popularity"}


def test_the_dataset_is_prepared_and_trains(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.toml").write_text(block("toml", "# my.toml"))
    header, example = block("csv", "customer").splitlines()[:2]
    rows = [
        f"c{n % 17},{'Oslo' if n % 17 < 9 else 'Rome'},p{n % 23},{'red|sale' if n % 2 else 'blue'},"
        f"{n % 23}.90,{('view', 'click', 'click', 'buy')[n * 7 % 4]},{1700000000 + n}"
        for n in range(600)
    ]
    Path("events.csv").write_text("\n".join([header, example, *rows]) + "\n")
    assert run("prepare", "shop", "--catalog", "my.toml").code == 0
    assert run("train", "--loss", "gnolr", "--epochs", "1").code == 0
    assert [row["feedback"] for row in run("eval", "--metric", "recall@5", "--json").json] == ["click", "buy"]


@pytest.mark.parametrize("example", ["baskets.py"], indirect=True)
def test_the_reader_reads_and_names_the_line_that_it_cannot(
    run: Run, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = check_spec._methods_in
    monkeypatch.setattr(check_spec, "_methods_in", lambda folder: [*shipped(folder), Path(example).stem])
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(tmp_path)])
    Path("baskets.toml").write_text(block("toml", "# baskets.toml"))
    lines = [f"u{n}: {' '.join(f'p{n * k % 13}' for k in range(1, 8))}" for n in range(30)]
    Path("baskets.txt").write_text("\n".join(lines) + "\n")
    (command,) = commands("prepare baskets")
    (rows,) = re.findall(r"^rows +(\d+) +(\d+) +(\d+)", run(*command.split()[1:]).out, re.MULTILINE)
    assert sum(map(int, rows)) == 210
    Path("baskets.txt").write_text("\n".join([*lines, "u30"]) + "\n")
    refused = run(*command.split()[1:], "--force")
    assert refused.code == 1 and "baskets.txt, line 31: expected" in refused.err


def test_the_dataset_with_weights_is_prepared_and_trains(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("songs.toml").write_text(block("toml", "[songs]"))
    rows = [f"u{n % 17},s{n % 23},{n * 7 % 5}" for n in range(300)]
    Path("plays.csv").write_text("\n".join(["user,song,plays", *rows]) + "\n")
    for line in commands("prepare songs"):
        assert "each row weighs LN(1 + plays)" in run(*line.split()[1:]).out
    for line in commands("train --loss bpr --set train.row_weights"):
        assert run(*line.split()[1:], "--epochs", "1").code == 0
    assert (
        "note: its rows have weights, which count for nothing here"
        in run("train", "--loss", "bpr", "--epochs", "1").err
    )
    refused = run("train", "--loss", "jrc", "--set", "train.row_weights=true")
    assert refused.code == 2 and "do not stand for single rows" in refused.err


def test_the_dataset_with_dislikes_is_prepared_trains_and_is_evaluated(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("club.toml").write_text(block("toml", "[club]"))
    events = ("play", "like", "skip", "dislike")
    rows = [f"u{n % 17},s{n % 23},{events[n * 7 // 3 % 4]}" for n in range(400)]
    Path("club.csv").write_text("\n".join(["user,song,event", *rows]) + "\n")
    for line in (
        *commands("prepare club"),
        *commands("train --loss gnolr --set train"),
        *commands("train --loss bpr --feedback like"),
    ):
        short = () if "prepare" in line else ("--epochs", "1")
        assert run(*line.split()[1:], *short).code == 0, line
    (row,) = run(*commands("eval --metric recall@5/like")[0].split()[1:], "--json").json
    assert row["feedback"] == "like"


@pytest.mark.parametrize("example", ["hello.py"], indirect=True)
def test_the_command_runs_and_has_its_place_in_the_help(run: Run, example: str) -> None:
    before = list(app.registered_commands)
    try:
        spec = importlib.util.spec_from_file_location("hello", example)
        assert spec is not None and spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        assert run("hello", "--name", "Ada").out == "hello Ada\n"
        assert "Greet somebody." in run("--help").out
    finally:
        app.registered_commands[:] = before


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_paths_in_documents_exist(document: Path) -> None:
    text = document.read_text()
    missing = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link and not leads(document, link)]
    folders = "|".join(["tests", "benchmarks", "docs", *(p.name for p in (ROOT / "recbench").iterdir() if p.is_dir())])
    named = re.findall(rf"`((?:recbench|{folders})/[\w./-]*\w)`", text)
    missing += [path for path in named if not (ROOT / path).exists() and not (ROOT / "recbench" / path).exists()]
    assert not missing


def leads(document: Path, link: str) -> bool:
    """Return whether there is what a link of a document names, its heading too."""
    name, _, anchor = link.partition("#")
    path = document.parent / name if name else document
    if not anchor or not path.is_file():
        return path.exists()
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    anchors = [re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    repeated = {f"{name}-{number}" for name, count in Counter(anchors).items() for number in range(1, count)}
    return anchor in {*anchors, *repeated}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_documents_exist_with_their_options(document: Path) -> None:
    text = document.read_text().replace("\\\n", "")
    for name, value in reversed(re.findall(r'^    ([A-Z]+)="(.*)"$', text, re.MULTILINE)):
        text = text.replace(f"${name}", value)
    typed = re.findall(r"`(recbench [a-z][^`]*)`", text)
    typed += re.findall(r"^(?:\$ |    )(?:torchrun .*)?(recbench [a-z].*)$", text, re.MULTILINE)
    whole: Any = typer.main.get_command(app)
    for line in typed:
        for part in line.split(" && "):
            command = whole
            words = shlex.split(part, comments=True)[1:]
            while isinstance(command, TyperGroup) and words:
                command = command.commands[words.pop(0)]
            command.make_parser(command.context_class(command)).parse_args(words)  # refuses unknown options


def test_what_the_page_on_python_names_is_there() -> None:
    names = set(re.findall(r"\brb((?:\.\w+)+)", (ROOT / "docs" / "python.md").read_text()))
    assert len(names) > 20
    for name in names:
        attrgetter(name[1:])(rb)


def test_the_datasets_are_documented(run: Run) -> None:
    text = (ROOT / "docs" / "datasets.md").read_text()
    missing = [row["name"] for row in run("list", "datasets", "--json").json if f"`{row['name']}`" not in text]
    assert not missing


def test_every_key_of_the_catalogue_is_documented() -> None:
    text = (ROOT / "docs" / "datasets.md").read_text()
    internal = {"name", "rule", "folder"}
    keys = {field.name for field in dataclasses.fields(DatasetSpec)} - internal
    assert {key for key in keys if f"`{key}`" not in text} == set()
