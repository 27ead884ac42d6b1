"""`recbench runs`, and that a word means the same runs in every command."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from recbench.home import results_home
from recbench.results.store import Store
from tests.conftest import Run, type_command


@pytest.fixture(scope="module")
def results(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folder and digests of runs of bce with two seeds, of bpr, and of gnolr at last, whose bce is the best."""
    root = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECBENCH_HOME", str(small_home))
        patch.setenv("RECBENCH_RESULTS", str(root))
        quick = ("--backbone", "mf", "--feedback", "view", "--set", "backbone.dim=4")
        type_command("train", "--loss", "bce", "--seeds", "2", "--epochs", "1", *quick)
        type_command("train", "--loss", "bpr", "--epochs", "1", *quick)
        type_command("train", "--loss", "gnolr", "--epochs", "2", *quick)
        type_command("eval", "--metric", "auc", "--no-baselines")
        records = sorted(Store(root).runs(), key=lambda pair: pair[0].finished)
    digests = {f"{record.key.loss}{record.key.seed}": record.key.digest for record, _ in records}
    best = max((record for record, _ in records), key=lambda record: record.valid).key.digest
    return {"root": str(root), "best": best, **digests}


@pytest.fixture
def trained(run: Run, results: dict[str, str], small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Types a command on a copy of these runs."""
    shutil.copytree(results["root"], results_home())
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    return run


def shown(run: Run, word: str) -> str:
    """The digest of the run that `show` takes the word for."""
    result = run("show", word)
    assert result.code == 0, result.err
    return str(result.out.split()[1])


def test_a_word_means_the_same_everywhere(trained: Run, results: dict[str, str], tmp_path: Path) -> None:
    expected = {
        "gnolr": results["gnolr0"],
        "gnolr/mf": results["gnolr0"],
        "bpr": results["bpr0"],
        "latest": results["gnolr0"],
        "best": results["best"],
        results["bce0"][:6]: results["bce0"],
    }
    for word, digest in expected.items():
        assert shown(trained, word) == digest, word
        packed = trained("pack", word, "-o", str(tmp_path / "pack.json"))
        assert packed.code == 0
        assert [line["run"] for line in trained("runs", word, "--json").json] == [digest]
        evaluated = trained("eval", "--run", word, "--metric", "auc", "--no-baselines", "--json")
        assert [number["run"] for number in evaluated.json] == [digest]
    assert trained("export", "bpr", "-o", str(tmp_path / "index")).code == 0


def test_a_damaged_record_is_told_where_its_method_is_asked_for(trained: Run, results: dict[str, str]) -> None:
    (path,) = results_home().glob(f"runs/*/*/*{results['bpr0']}/record.json")
    path.write_text("{")
    assert f"{path}: damaged" in trained("show", "bpr").err


def test_of_several_runs_the_latest_is_shown_and_named(trained: Run, results: dict[str, str]) -> None:
    assert shown(trained, "bce") == results["bce1"]
    assert f"bce: the latest of 2 runs, {results['bce1']} (seed 1)" in trained("show", "bce").err
    assert {line["run"] for line in trained("runs", "bce", "--json").json} == {results["bce0"], results["bce1"]}


def test_compare_takes_these_words_too(trained: Run) -> None:
    trained("eval", "--run", "bce", "--run", "bpr", "--metric", "auc", "--no-baselines")
    result = trained("compare", "latest", "bce", "--json")
    assert result.code == 0
    assert [name.partition(" ")[0] for name in result.json[0]["values"]] == ["gnolr", "bce"]
    assert result.json[0]["seeds"] == dict(zip(result.json[0]["values"], (1, 2), strict=True))


def test_a_list_is_filtered(trained: Run, results: dict[str, str]) -> None:
    everything = trained("runs", "--json").json
    assert [line["run"] for line in everything] == [results[n] for n in ("gnolr0", "bpr0", "bce1", "bce0")]
    assert [line["evaluated"] for line in everything] == [1, 0, 0, 0]
    assert len(trained("runs", "--dataset", "synthetic", "--json").json) == 4
    assert trained("runs", "--dataset", "ml-1m").code == 2
    text = trained("runs", "--last", "2")
    assert "2 more; --last 4 lists all" in text.out
    assert results["gnolr0"] in text.out
    assert results["bce0"] not in text.out


def test_tags_name_runs(trained: Run, results: dict[str, str]) -> None:
    assert trained("runs", "bce", "--tag", "old").code == 0
    assert trained("runs", "bpr", "--tag", "old").code == 0
    tagged = {results["bce0"], results["bce1"], results["bpr0"]}
    assert {line["run"] for line in trained("runs", "--tagged", "old", "--json").json} == tagged
    assert {line["run"] for line in trained("runs", "old", "--json").json} == tagged
    assert trained("eval", "--run", "old", "--metric", "auc", "--no-baselines").code == 0
    assert trained("runs", "bce", "--untag", "old").code == 0
    assert [line["run"] for line in trained("runs", "old", "--json").json] == [results["bpr0"]]


def test_hidden_runs_are_on_no_board(trained: Run, results: dict[str, str]) -> None:
    trained("eval", "--run", "all", "--metric", "auc", "--no-baselines")
    assert trained("runs", "gnolr", "--hide").code == 0
    losses = {row["loss"] for row in trained("leaderboard", "--json").json}
    assert losses == {"bce", "bpr"}
    assert "gnolr" not in (results_home() / "leaderboard.md").read_text()
    assert shown(trained, "latest") == results["bpr0"]
    assert results["gnolr0"] not in {line["run"] for line in trained("runs", "--json").json}
    assert results["gnolr0"] in {line["run"] for line in trained("runs", "--hidden", "--json").json}
    assert shown(trained, results["gnolr0"]) == results["gnolr0"]
    assert trained("runs", "gnolr", "--unhide").code == 0
    assert {row["loss"] for row in trained("leaderboard", "--json").json} == {"bce", "bpr", "gnolr"}
    assert "gnolr" in (results_home() / "leaderboard.md").read_text()
    assert trained("runs", "all", "--delete", "--yes").code == 0
    assert not (results_home() / "leaderboard.md").exists()


def test_deleted_runs_are_gone(trained: Run, results: dict[str, str]) -> None:
    refused = trained("runs", "bce", "--delete")
    assert refused.code == 2
    assert "--delete would delete 2 runs" in refused.err
    assert len(Store(results_home()).folders()) == 4
    assert trained("runs", "bce", "--tag", "old").code == 0
    assert trained("runs", "old", "--delete", "--yes").code == 0
    assert set(Store(results_home()).folders()) == {results["bpr0"], results["gnolr0"]}
    assert not list(results_home().rglob("*bce*"))[1:]
    assert trained("runs", "old").code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("runs", "nothing"), "no run starts with `nothing`, and no method, dataset or tag is called so"),
        (("runs", "bce", "--tag", "best"), "--tag best: expected a letter"),
        (("runs", "bce", "--tag", "gnolr"), "--tag gnolr: expected a letter"),
        (("runs", "bce", "--tag", "../x"), "--tag ../x: expected a letter"),
        (("runs", "--hide"), "which runs? Name them"),
        (("runs", "bce", "--hide", "--delete"), "one of --tag, --untag"),
    ],
)
def test_what_cannot_be_meant(trained: Run, words: tuple[str, ...], message: str) -> None:
    result = trained(*words)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert message in result.err


def test_a_hint_of_compare_names_metrics_that_the_runs_have(trained: Run, results: dict[str, str]) -> None:
    trained("eval", "--run", "gnolr", "--run", "bpr", "--metric", "gauc", "--metric", "recall@5", "--no-baselines")
    for path in results_home().rglob("evaluations/*.parquet"):
        path.unlink()
    hint = trained("compare", "gnolr", "bpr").err
    assert "gauc,recall@5 --no-baselines`" in hint


def test_a_board_of_the_whole_catalogue_is_warned_of(trained: Run) -> None:
    trained("eval", "--run", "all", "--metric", "recall@500", "--metric", "recall@2", "--no-baselines")
    warned = trained("leaderboard").err
    assert "warning: recall@500 on synthetic/global ranks all" in warned
    assert "recall@2 " not in warned


def test_a_failed_train_does_not_evaluate_an_older_run(trained: Run, results: dict[str, str]) -> None:
    store = Store(results_home())
    latest = store.latest().key
    for data in ("other", "synthetic"):
        key = replace(store.find(results["bpr0"]).key, dataset=data, seed=7)
        store.write_plan([key], [], "recbench train --dataset other")
        refused = trained("eval", "--metric", "auc")
        assert refused.code == 2
        assert f"no run of the last `train` (bpr × mf on {data}/global) is finished; " in refused.err
        assert f"--run latest takes {latest.digest} ({latest.method} on synthetic/global)" in refused.err
    assert trained("eval", "--run", "latest", "--metric", "auc", "--no-baselines").code == 0
