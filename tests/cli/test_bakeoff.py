"""`recbench bakeoff`, as a user types it."""

from __future__ import annotations

import shlex
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from recbench.baselines.base import BASELINES
from recbench.cli import bakeoff as command
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.home import results_home
from recbench.run import evaluate
from recbench.study.bakeoff import bake, contestants, program
from recbench.study.bakeoff.program import Program
from recbench.study.launchers import in_this_process
from tests.conftest import Run

ROWS = 3000
BASELINES_HERE = ["item-knn", "popularity"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A log in an empty folder that is typed in; a program of one epoch, whatever the machine."""
    random = np.random.default_rng(0)
    user, item = random.integers(60, size=ROWS), random.integers(40, size=ROWS)
    likes = (user + item) % 3 == 0
    clicked = random.random(ROWS) < np.where(likes, 0.8, 0.15)
    frame = pl.DataFrame(
        {
            "user_id": [f"ö{number}" for number in user],
            "item_id": item,
            "timestamp": 1_700_000_000 + np.arange(ROWS) * 60,
            "click": clicked.astype(int),
            "buy": (clicked & (random.random(ROWS) < 0.4)).astype(int),
        }
    )
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    frame.write_csv("laden.csv")
    monkeypatch.setattr(BASELINES, "names", lambda: BASELINES_HERE)
    limit_program(monkeypatch, rates=2, seeds=2)
    return "laden.csv"


def limit_program(monkeypatch: pytest.MonkeyPatch, rates: int, seeds: int) -> None:
    """Let bakeoffs try so many learning rates and seeds, and no more however fast the machine is."""
    monkeypatch.setattr(bake, "fit_program", lambda *_: Program(1, program.RATES[:rates], seeds, 600.0))
    monkeypatch.setattr(program, "PROGRAMS", ((rates, seeds),))


OWN_LOSS = """
from torch import Tensor

from recbench.losses import LOSSES, Batch, Loss, Towers


@LOSSES.add("squares")
class Squares(Loss):
    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        return batch.mean((towers.logit[..., 0] - 2.0 * batch.label[..., 0]) ** 2)
"""
BAKE = ("--losses", "bce,bpr", "--backbone", "mf", "--budget", "10m")


def test_from_a_log_to_an_answer(run: Run, shop: str) -> None:
    result = run("bakeoff", shop, *BAKE)
    assert result.code == 0, result.err
    assert "guessed: user = user_id, item = item_id, time = timestamp" in result.err
    assert "[laden]" in Path("laden.toml").read_text(encoding="utf-8")
    text = " ".join(result.out.split())
    for feedback in ("click", "buy"):
        assert f"To rank given items for {feedback} (auc, 60 test users): take " in text
        assert f"To retrieve items for {feedback} (recall@5, " in text
    assert "The budget allowed one epoch of each loss" in text
    assert "`--budget 10m` would do" in text
    assert "a little too good" in text
    assert "Not compared" not in text
    assert (results_home() / "laden.html").stat().st_size > 10_000
    assert (results_home() / "leaderboard.md").exists()
    typed = [line.strip() for line in result.out.splitlines() if line.strip().startswith("recbench ")]
    assert any(line.startswith("recbench compare") for line in typed)
    assert not any("train.epochs" in line for line in typed)
    for line in typed:
        if "compare" in line or "leaderboard" in line or "baselines" in line:
            assert run(*shlex.split(line)[1:]).code == 0, line

    everybody_got_the_same_and_the_answer_is_what_compare_says(run, run("bakeoff", shop, *BAKE, "--json").json)


def everybody_got_the_same_and_the_answer_is_what_compare_says(run: Run, answer: Any) -> None:
    assert answer["program"]["epochs"] == 1
    assert len(answer["verdicts"]) == 4
    for verdict in answer["verdicts"]:
        entries = verdict["entries"]
        assert {entry["method"] for entry in entries if entry["baseline"]} == {
            f"{name} (baseline)" for name in BASELINES_HERE
        }
        assert all(len(entry["runs"]) == (1 if entry["baseline"] else 2) for entry in entries)
        assert [entry["value"] for entry in entries] == sorted((entry["value"] for entry in entries), reverse=True)
        assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in entries)
        best, other = entries[0]["run"], entries[1]["run"]
        metric = f"{verdict['metric']}/{verdict['feedback']}"
        compared = run("compare", best, other, "--metric", metric, "--json").json[0]
        difference = verdict["differences"][0]
        assert compared["differences"][0]["value"] == pytest.approx(difference["value"], abs=1e-12)


def test_a_log_of_events_whose_most_frequent_is_on_every_row(
    run: Run, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_program(monkeypatch, rates=1, seeds=1)
    frame = pl.read_csv(shop)
    event = pl.when(pl.col("buy") == 1).then(pl.lit("buy")).when(pl.col("click") == 1).then(pl.lit("click"))
    frame.select("user_id", "item_id", "timestamp", event=event.otherwise(pl.lit("view"))).write_csv("events.csv")
    pl.DataFrame({"id": range(1, 40), "brand": ["A", "B", "C"] * 13}).write_csv("things.csv")
    result = run("bakeoff", "events.csv", "--items", "things.csv", "--losses", "bce", *BAKE[2:], "--json")
    assert "guessed: features of the item, from things.csv by its column id: brand" in result.err
    assert "warning: 1 of 40 items are not in " in result.err
    answer = result.json
    asked = {(verdict["metric"], verdict["feedback"]) for verdict in answer["verdicts"]}
    recalls = {("recall@5", name) for name in ("view", "click", "buy")}
    assert asked == {*recalls, ("auc", "click"), ("auc", "buy")}
    assert all(len(verdict["entries"]) == 1 + len(BASELINES_HERE) for verdict in answer["verdicts"])


def test_a_loss_of_ones_own_joins_a_bakeoff_that_is_done(run: Run, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limit_program(monkeypatch, rates=1, seeds=1)
    monkeypatch.setattr(contestants, "RETRIEVAL", ("bpr",))
    monkeypatch.setattr(contestants, "RANKING", ("bce",))
    words = ("bakeoff", shop, "--backbone", "mf", "--budget", "10m")
    assert run(*words).code == 0
    before = trained_runs()
    own = Path("squares.py")
    own.write_text(OWN_LOSS, encoding="utf-8")
    result = run(*words, "--import", str(own), "--json")
    assert result.code == 0, result.err
    for verdict in result.json["verdicts"]:
        runs = {entry["method"]: entry["run"] for entry in verdict["entries"]}
        (best, *_), mine = runs.values(), runs["squares × mf"]
        typed = f"recbench compare {best} {mine}"
        assert best == mine or any(step["type"].startswith(typed) for step in result.json["next"])
    first = trained_runs()
    assert first.keys() - before.keys() == {path for path in first if "/squares-mf/" in path} != set()
    assert all(first[path] == time for path, time in before.items())

    own.write_text(OWN_LOSS.replace("2.0", "3.0"), encoding="utf-8")
    assert run(*words, "--import", str(own)).code == 0
    second = trained_runs()
    assert len(second.keys() - first.keys()) == len(first.keys() - before.keys())
    assert all(second[path] == time for path, time in first.items())
    told = [(line["select"], line["settings"]) for line in run("runs", "squares", "--json").json]
    assert len(set(told)) == len(told)  # the digest of the file tells a run of the edited one from that before


OWN_BACKBONE = "from recbench.backbones.base import BACKBONES\n\n@BACKBONES.add('mine')\nclass Mine:\n    pass\n"


@pytest.mark.parametrize(
    ("text", "backbone", "told"),
    [
        (OWN_LOSS.replace('@LOSSES.add("squares")', ""), "mf", 'write @LOSSES.add("NAME") above the class of a loss'),
        (OWN_BACKBONE, "mf", "train all with --backbone mine"),
        (OWN_BACKBONE, "mine", ""),
        (OWN_LOSS, "mf", ""),
    ],
)
def test_a_file_of_which_nothing_competes_is_told(tmp_path: Path, text: str, backbone: str, told: str) -> None:
    file, said = tmp_path / "own.py", StringIO()
    file.write_text(text, encoding="utf-8")
    assert bake.import_losses([file], backbone, Console(file=said)) == (("squares",) if text == OWN_LOSS else ())
    line = f"note: no loss is registered in own.py, so that nothing of your own competes; {told}\n"
    assert said.getvalue() == (line if told else "")


def trained_runs() -> dict[str, int]:
    """When the record of each trained run was written, by its path."""
    records = results_home().glob("runs/*/*-mf/*/record.json")
    return {path.as_posix(): path.stat().st_mtime_ns for path in records}


def test_interrupted_and_typed_again(run: Run, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    train, trained = in_this_process.train, []

    def stop_after_two(training: in_this_process.Training, *arguments: Any, **named: Any) -> object:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(training.key.digest)
        return train(training, *arguments, **named)

    monkeypatch.setattr(in_this_process, "train", stop_after_two)
    stopped = run("bakeoff", shop, *BAKE)
    assert stopped.code == 130
    assert "the same command goes on where it stopped" in stopped.err

    again: list[str] = []

    def count(training: in_this_process.Training, *arguments: Any, **named: Any) -> object:
        again.append(training.key.digest)
        return train(training, *arguments, **named)

    monkeypatch.setattr(in_this_process, "train", count)
    finished = run("bakeoff", shop, *BAKE)
    assert finished.code == 0
    assert "columns as laden.toml has them" in finished.err
    assert not set(again) & set(trained)
    done = len(again)
    monkeypatch.setattr(evaluate, "_measure", None)  # all that is asked for is on record, of baselines too
    assert run("bakeoff", shop, *BAKE).code == 0
    assert len(again) == done


def test_the_dataset_is_read_once(run: Run, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load, read = Dataset.load, []

    def count(*arguments: Any) -> Dataset:
        read.append(arguments)
        return load(*arguments)

    monkeypatch.setattr(Dataset, "load", count)
    assert run("bakeoff", shop, *BAKE).code == 0
    assert len(read) == 1


def test_a_dataset_that_is_prepared(prepared: Run, shop: str) -> None:
    result = prepared("bakeoff", "synthetic", "--losses", "bpr", "--backbone", "mf", "--budget", "1s", "--json")
    assert result.code == 0, result.err
    assert result.json["dataset"] == "synthetic/global"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing.csv",), "nothing.csv: no such file, and no dataset is called so"),
        ((".",), ". is a folder; name one file of it"),
        (("synthetic", "--user", "u"), "synthetic: no such file; --user"),
        (("laden.csv", "--user", "usr"), "unknown column `usr` of --user"),
        (("laden.csv", "--budget", "soon"), "--budget soon: expected a time, such as 90s, 20m or 2h"),
        (("laden.csv", "--losses", "bce,bbr"), "unknown loss `bbr`"),
        (("laden.csv", "--backbone", "mff"), "unknown backbone `mff`"),
        (("laden.csv", "--time-limit", "4h"), "--time-limit 4h: an option of --launcher slurm"),
    ],
)
def test_what_cannot_be_meant(run: Run, shop: str, words: tuple[str, ...], message: str) -> None:
    result = run("bakeoff", *words)
    assert result.code == 2
    assert message in result.err.splitlines()[-1]
    assert not Path("laden.toml").exists()


def test_a_catalogue_that_says_something_else_is_not_overwritten(run: Run, shop: str) -> None:
    Path("laden.toml").write_text("[laden]\ntitle = 'mine'\n")
    result = run("bakeoff", shop, "--item", "item_id")
    assert result.code == 2
    assert "laden.toml says something else of the columns of laden.csv; change it there, or delete it" in result.err
    assert Path("laden.toml").read_text() == "[laden]\ntitle = 'mine'\n"


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_a_log_of_one_user_or_one_item_is_refused(run: Run, shop: str, column: str) -> None:
    pl.read_csv(shop).with_columns(pl.lit("the only one").alias(column)).write_csv("one.csv")
    result = run("bakeoff", "one.csv", "--losses", "bpr", *BAKE[2:])
    assert result.code == 1
    count = "users: 1, items: 40" if column == "user_id" else "users: 60, items: 1"
    assert f"recall@5 is undefined ({count}); a bakeoff needs a log with more" in result.err.splitlines()[-1]
    assert "--select" not in result.err


def test_budgets() -> None:
    assert [command._seconds(word) for word in ("90s", "20m", "2h", "45", "1.5m")] == [90, 1200, 7200, 45, 90]
    for word in ("", "m", "-1s", "1d", "0s"):
        with pytest.raises(UsageError):
            command._seconds(word)


def test_baselines_without_time_are_named(run: Run, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BASELINES, "names", lambda: ["ease", *BASELINES_HERE])
    monkeypatch.setattr(bake, "FOR_BASELINES", -1.0)
    result = run("bakeoff", shop, "--losses", "bpr", "--backbone", "mf", "--budget", "10m")
    assert result.code == 0
    assert "left out: ease: their share of the budget is spent" in result.err
    assert "Not compared, for want of time or memory: ease" in " ".join(result.out.split())
