from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from recbench.home import results_home
from recbench.results.store import Store
from tests.conftest import Run, type_command


@pytest.fixture(scope="module")
def evaluated(large_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of two losses and of one that learns next to nothing, two seeds each."""
    results = tmp_path_factory.mktemp("compare") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECBENCH_HOME", str(large_home))
        patch.setenv("RECBENCH_RESULTS", str(results))
        for words in (("--loss", "bce"), ("--loss", "bpr"), ("--loss", "bce", "--lr", "1e-9")):
            assert type_command("train", *words, "--backbone", "mf", "--epochs", "6", "--seeds", "2").code == 0
            metrics = ("--metric", "auc", "--metric", "gauc", "--metric", "recall@10")
            assert type_command("eval", "--no-baselines", *metrics).code == 0
    return results


@pytest.fixture
def trained(run: Run, evaluated: Path, large_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("RECBENCH_HOME", str(large_home))
    shutil.copytree(evaluated, results_home())
    return run


def test_methods_are_compared_on_what_they_share(trained: Run) -> None:
    digests = [row["run"] for row in trained("leaderboard", "--metric", "auc", "--json").json if row["loss"] == "bce"]
    told = trained("compare", "bpr", *digests, "--json")
    assert told.code == 0, told.err
    assert [(one["metric"], one["feedback"]) for one in told.json] == [
        (m, "view") for m in ("auc", "gauc", "recall@10")
    ]
    board = {(r["metric"], r["run"]): r["mean"] for r in trained("leaderboard", "--json").json}
    for one in told.json:
        assert sorted(one["values"].values()) == pytest.approx(
            sorted(mean for (metric, _), mean in board.items() if metric == one["metric"]), abs=1e-9
        )
        assert len(one["differences"]) == 3 and set(one["seeds"].values()) == {2}
        for difference in one["differences"]:
            assert difference["low"] <= difference["value"] <= difference["high"]
            assert difference["corrected"] >= difference["p"]
    told = trained("compare", "bpr", digests[-1], "--metric", "auc").out
    assert "not shown" in told or "different" in told
    assert "bpr × mf" in told and "users" in told


def test_what_cannot_be_told_from_the_best_shares_its_mark(trained: Run) -> None:
    rows = trained("leaderboard", "--metric", "auc", "--json").json
    assert [row["best"] for row in rows][0] and not rows[-1]["best"]  # untrained, against trained
    digests = [row["run"] for row in rows]
    for difference in trained("compare", *digests, "--metric", "auc", "--json").json[0]["differences"][:2]:
        place = 1 if difference["second"] == rows[1]["loss"] else 2
        if difference["corrected"] > 0.2 or difference["corrected"] < 0.01:  # far from where chance decides
            assert rows[place]["best"] == (difference["corrected"] > 0.05)


def test_what_cannot_be_compared(trained: Run) -> None:
    for words, message in [
        (("bpr", "gnolr"), "no run starts with `gnolr`, and no method, dataset or tag is called so"),
        (("bpr", "bce"), "bce fits 2 methods; name one of them: "),
        (("bpr", "bpr/mf"), "all words name bpr × mf with equal settings; name another to compare it with"),
        (("bpr",), "only one method is named; name another"),
        (("bpr", "zz"), "no run starts with `zz`"),
    ]:
        told = trained("compare", *words)
        assert told.code == 2 and message in told.err and told.err.count("\n") == 1
    digest = trained("leaderboard", "--metric", "auc", "--json").json[0]["run"]
    other = next(r["run"] for r in trained("leaderboard", "--metric", "auc", "--json").json if r["run"] != digest)
    told = trained("compare", digest, other, "--metric", "ndcg@10")
    assert told.code == 2 and "run `recbench eval --run" in told.err


def test_records_without_scores_of_users_are_told_how_to_be_made_again(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Store(results_home()).folders()
    for folder in before.values():
        for path in folder.rglob("*.parquet"):
            path.unlink()
    words = ("compare", "bpr", "bce+lr=1e-09", "--metric", "auc")
    with monkeypatch.context() as patch:  # as if the weights were not there, either
        patch.setattr("recbench.study.compare.is_complete", lambda key, store: False)
        told = trained(*words)
    assert told.code == 2 and "they are not committed with records" in told.err
    commands = told.err.split("`")[1::2]
    assert [command.partition(" --backbone")[0] for command in commands[:2]] == [
        "recbench train --loss bpr",
        "recbench train --loss bce",
    ]
    for command in commands:
        assert trained(*shlex.split(command)[1:]).code == 0
    assert Store(results_home()).folders() == before  # the commands name these very runs
    assert trained(*words).code == 0


def test_names_of_runs(trained: Run) -> None:
    assert trained("train", "--loss", "wbpr", "--backbone", "mf", "--epochs", "1").code == 0
    told = trained("compare", "bpr", "wbpr")
    assert told.code == 2 and "wbpr: trained but not evaluated; run `recbench eval --run " in told.err
    told = trained("compare", "bpr", "bce", "--dataset", "other")
    assert told.code == 2 and "no run of bpr is on other; `recbench runs bpr` shows where" in told.err
    assert "lr=1e-09" in trained("compare", "bpr", "bce").err
    evaluated = {word: trained("eval", "--run", word, "--metric", "auc", "--json").json for word in ("bpr", "bce/mf")}
    by_seed = [row["run"] for row in evaluated["bpr"]]
    assert [row["seed"] for row in evaluated["bpr"]] == [0, 1] and len(evaluated["bce/mf"]) == 4
    whole = trained("eval", "--run", "all", "--metric", "auc", "--json").json
    assert {row["loss"] for row in whole} == {"bce", "bpr", "wbpr"} and len(whole) == 7
    assert trained("compare", "bpr", "wbpr", "--metric", "auc").code == 0
    (of_seeds,) = trained("compare", "wbpr", *by_seed, "--metric", "auc", "--json").json
    assert len(of_seeds["values"]) == 2 and len(of_seeds["differences"]) == 1
    assert "no run starts with `gnolr`" in trained("eval", "--run", "gnolr").err


def test_one_seed_is_said_to_know_nothing_of_runs(prepared: Run) -> None:
    for loss in ("bce", "bpr"):
        prepared("train", "--loss", loss, "--backbone", "mf", "--epochs", "1")
        prepared("eval", "--metric", "auc")
    result = prepared("compare", "bce", "bpr")
    assert result.code == 0 and ("different *" in result.out or "not shown *" in result.out)
    assert "one of the two has one seed, which says nothing of how much its runs differ" in " ".join(result.out.split())
    (comparison,) = prepared("compare", "bce", "bpr", "popularity", "--json").json
    assert {difference["over"] for difference in comparison["differences"]} == {"users"}
