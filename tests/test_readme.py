"""The examples of the README work as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Run

README = (Path(__file__).parents[1] / "README.md").read_text()


def block(language: str, start: str) -> str:
    """Return the fenced block that begins with these words."""
    for code in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL):
        if code.startswith(start):
            return str(code)
    raise AssertionError(f"no {language} block starts with {start}")


@pytest.mark.parametrize("name", ["focal.py", "shallow.py"])
def test_the_python_examples_train(
    prepared: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(block("python", f"# {name}"))
    command = next(line for line in README.splitlines() if line.startswith(f"    recbench train --import {name}"))
    words = command.split()[1:]
    assert prepared(*words, "--epochs", "2").code == 0
    assert prepared("eval", "--metric", "auc").code == 0


def test_the_metric_example_evaluates(
    prepared: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("brier.py").write_text(block("python", "# brier.py"))
    prepared("train", "--loss", "nsb", "--backbone", "mf", "--epochs", "1")
    rows = prepared("eval", "--import", "brier.py", "--metric", "brier", "--json").json
    assert [row["feedback"] for row in rows] == ["view", "cart", "buy"]
    assert all(row["bound"] < row["value"] for row in rows)
    assert "better=lower; source=" in rows[0]["signature"]


def test_the_dataset_example_prepares_and_trains(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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


def test_every_name_in_the_readme_exists(run: Run) -> None:
    for kind in ("losses", "backbones", "metrics", "datasets"):
        for item in run("list", kind, "--json").json:
            assert f"`{item['name'].replace('@K', '@k')}`" in README, item["name"]
