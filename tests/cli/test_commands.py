"""The four commands, end to end."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from recbench.backbones.base import BACKBONES
from recbench.home import home, results_home
from recbench.inspect.doctor import EXTRAS
from recbench.losses.base import LOSSES, why_not
from tests.conftest import Run

FAST = ("--epochs", "2", "--set", "backbone.dim=8")


def test_the_four_commands_as_typed(run: Run) -> None:
    assert run("prepare", "synthetic", "--rows", "4000").code == 0
    trained = run("train", "--loss", "gnolr", "--backbone", "twintower", "--epochs", "2")
    assert trained.code == 0
    assert "dataset synthetic/global (the most recently prepared)" in trained.err
    assert "epoch   2/2" in trained.err
    digest = trained.out.split()[0]
    evaluated = run("eval", "--metric", "recall@50")
    assert evaluated.code == 0
    assert f"run {digest} on synthetic/global (the most recent)" in evaluated.err
    assert "recall@50" in evaluated.out
    board = run("leaderboard")
    assert board.code == 0
    assert "gnolr × twintower" in board.out
    assert "gnolr" in (results_home() / "leaderboard.md").read_text()


@pytest.mark.parametrize("loss", LOSSES.names())
def test_every_loss_trains_and_evaluates(prepared: Run, loss: str) -> None:
    cls = LOSSES.get(loss)
    backbone = next(name for name in ("mf", *BACKBONES.names()) if why_not(cls, BACKBONES.get(name)) is None)
    assert prepared("train", "--loss", loss, "--backbone", backbone, *FAST).code == 0
    result = prepared("eval", "--metric", "auc", "--metric", "recall@5", "--json")
    assert result.code == 0
    several = cls.multitask
    assert [row["feedback"] for row in result.json] == (["view", "cart", "buy"] if several else ["view"]) * 2
    assert all(0 <= row["value"] <= 1 for row in result.json)


def test_eval_json_has_the_documented_fields(prepared: Run) -> None:
    prepared("train", "--loss", "bce", "--backbone", "mf", *FAST)
    rows = prepared("eval", "--json").json
    fields = {"dataset", "split", "loss", "backbone", "seed", "metric", "feedback", "value", "signature", "run"}
    assert all(fields <= row.keys() for row in rows)
    assert {row["metric"] for row in rows} == {"auc", "gauc", "recall@50", "ndcg@50"}
    assert next(row for row in rows if row["metric"] == "auc")["bound"] > 0.7


def test_leaderboard_json_is_over_seeds(prepared: Run) -> None:
    prepared("train", "--loss", "bce", "--backbone", "mf", "--seeds", "3", *FAST)
    values = [row["value"] for row in prepared("eval", "--metric", "auc", "--json").json]
    (row,) = [row for row in prepared("leaderboard", "--json").json if row["loss"] == "bce"]
    assert row["seeds"] == 3
    assert row["mean"] == pytest.approx(sum(values) / 3)
    spread = (sum((value - row["mean"]) ** 2 for value in values) / 2) ** 0.5
    assert row["sd"] == pytest.approx(spread)


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_leaderboard_formats(prepared: Run, form: str) -> None:
    prepared("train", "--loss", "bce", "--backbone", "mf", *FAST)
    prepared("eval", "--metric", "auc")
    result = prepared("leaderboard", "--format", form)
    assert result.code == 0
    assert "bce" in result.out


def test_the_same_command_gives_the_same_number_and_is_not_run_twice(prepared: Run, tmp_path: Path) -> None:
    words = ("train", "--loss", "gnolr", "--backbone", "twintower", *FAST)
    first = prepared(*words)
    again = prepared(*words)
    assert "not trained again" in again.err
    assert again.out == first.out
    value = prepared("eval", "--metric", "auc", "--json").json[0]["value"]
    results_home().rename(tmp_path / "elsewhere")
    prepared(*words)
    assert prepared("eval", "--metric", "auc", "--json").json[0]["value"] == value


def test_a_single_feedback_run_can_be_asked_for_another(prepared: Run) -> None:
    prepared("train", "--loss", "bce", "--backbone", "mf", *FAST)
    rows = prepared("eval", "--metric", "auc", "--metric", "recall@5/buy", "--json").json
    assert [(row["metric"], row["feedback"]) for row in rows] == [("auc", "view"), ("recall@5", "buy")]


def test_feedback_is_chosen(prepared: Run) -> None:
    prepared("train", "--loss", "gnolr", "--backbone", "mf", "--feedback", "view,buy", *FAST)
    rows = prepared("eval", "--metric", "auc", "--json").json
    assert [row["feedback"] for row in rows] == ["view", "buy"]


def test_nothing_but_eval_opens_the_test_rows(prepared: Run) -> None:
    test_rows = home() / "prepared" / "synthetic" / "global" / "test.parquet"
    kept = test_rows.rename(test_rows.with_name("hidden"))
    assert prepared("train", "--loss", "gnolr", "--backbone", "mf", *FAST).code == 0
    assert "test.parquet: missing" in prepared("eval").err
    kept.rename(test_rows)
    assert prepared("eval").code == 0


def test_candidates_and_index_have_signatures_of_their_own(prepared: Run) -> None:
    prepared("train", "--loss", "bpr", "--backbone", "mf", *FAST)
    signatures = set()
    for words in ((), ("--candidates", "test"), ("--index", "hnsw"), ("--index", "ivf")):
        (row,) = prepared("eval", "--metric", "recall@5", "--json", *words).json
        signatures.add(row["signature"])
    assert len(signatures) == 4
    assert "of the exact top" in prepared("eval", "--metric", "recall@5", "--index", "hnsw").out


def test_refit_trains_on_validation_rows_too(prepared: Run) -> None:
    words = ("train", "--loss", "gnolr", "--backbone", "mf", *FAST)
    prepared(*words)
    plain = prepared("eval", "--metric", "auc", "--json").json
    result = prepared(*words, "--set", "train.refit=true")
    assert result.code == 0
    refitted = prepared("eval", "--metric", "auc", "--json").json
    assert plain[0]["value"] != refitted[0]["value"]


OWN_LOSS = '''
"""A loss of one's own."""
from torch.nn.functional import mse_loss
from recbench.losses.base import LOSSES, Loss


@LOSSES.add("squared")
class Squared(Loss):
    """Squared error of the logit, after nobody (2026)."""

    def forward(self, towers, batch):
        """Return the mean over rows."""
        return mse_loss(towers.logit[..., 0], batch.label[..., 0])
'''


def test_a_loss_of_ones_own(prepared: Run, tmp_path: Path) -> None:
    file = tmp_path / "my_loss.py"
    file.write_text(OWN_LOSS)
    assert "squared" in [item["name"] for item in prepared("list", "losses", "--import", str(file), "--json").json]
    assert prepared("train", "--import", str(file), "--loss", "squared", "--backbone", "mf", *FAST).code == 0
    assert prepared("eval", "--metric", "auc").code == 0
    record = json.loads(next(results_home().rglob("record.json")).read_text())
    assert record["key"]["sources"].keys() == {"my_loss.py"}


@pytest.mark.parametrize("kind", ["datasets", "losses", "backbones", "baselines", "metrics"])
def test_list(run: Run, kind: str) -> None:
    names = [item["name"] for item in run("list", kind, "--json").json]
    assert names
    printed = run("list", kind).out
    assert all(name in printed for name in names)


def test_doctor(prepared: Run) -> None:
    report = prepared("doctor", "--json").json
    assert report["prepared"][0]["dataset"] == "synthetic"
    assert "torch" in report["versions"]
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].items()
    packages = {name: tuple(re.split("[>=]", word)[0] for word in words) for name, words in extras}
    assert {name: needed for name, (needed, _) in EXTRAS.items()} == packages
    assert report["extras"].keys() == packages.keys()
    assert prepared("doctor").code == 0


@pytest.mark.parametrize("command", ["prepare", "train", "eval", "baselines", "leaderboard", "list", "doctor"])
def test_help(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.code == 0
    assert "Usage" in result.out
