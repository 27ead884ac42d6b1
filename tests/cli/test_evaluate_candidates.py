"""Sampled and given candidates, and metrics of items, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from tests.conftest import Run

OF_ITEMS = ("map@5", "coverage@5", "gini@5(corrected)", "novelty@5", "arp@5")
METRICS = tuple(word for metric in OF_ITEMS for word in ("--metric", metric))


@pytest.fixture
def trained(prepared: Run) -> Run:
    assert prepared("train", "--loss", "bce", "--backbone", "mf", "--epochs", "2").code == 0
    return prepared


def numbers(run: Run, *words: str) -> list[tuple[Any, ...]]:
    result = run(*words, "--json")
    assert result.code == 0, result.err
    return [(row["metric"], row["value"], row["signature"]) for row in result.json]


def test_runs_baselines_and_kept_scores_have_metrics_of_items(trained: Run) -> None:
    evaluated = numbers(trained, "eval", *METRICS)
    assert [metric for metric, *_ in evaluated] == list(OF_ITEMS)
    assert numbers(trained, "rescore", *METRICS) == evaluated
    signatures = {signature for *_, signature in evaluated}
    for row in trained("leaderboard", "--json").json:
        assert row["signature"] in signatures
    baselines = numbers(trained, "baselines", "--only", "popularity,item-knn", "--budget", "0", *METRICS)
    assert {signature for *_, signature in baselines} == signatures
    assert trained("compare", "popularity", "bce", "--metric", "arp@5").code == 0


def test_data_without_vectors_has_no_diversity(trained: Run) -> None:
    for words in (
        ("eval", "--metric", "ild@5"),
        ("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1", "--select", "ild@5"),
    ):
        refused = trained(*words)
        assert refused.code == 2
        assert "needs dense vectors of the items, which this dataset does not have" in refused.err


CATALOGUE = """
[own]
title = "Own"
reader = "table"
files = ["log.csv"]
time = "t"
feedback = { like = "x > 0" }
user = { key = "u", categorical = ["u"] }
item = { key = "i", categorical = ["i"], vector = ["v"] }
"""


def test_data_with_vectors_has_diversity(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items 0 to 9 lie in four directions at right angles, so that two are 0, 1 or, opposite, 2 apart."""
    monkeypatch.chdir(tmp_path)
    directions = ("1|0", "0|1", "-1|0", "0|-1")
    rows = [f"{n % 13},{n * 7 % 10},{directions[n * 7 % 10 % 4]},{1_700_000_000 + n},{n % 3 % 2}" for n in range(400)]
    Path("log.csv").write_text("\n".join(["u,i,v,t,x", *rows]) + "\n")
    Path("own.toml").write_text(CATALOGUE)
    prepared = run("prepare", "own", "--catalog", "own.toml")
    assert prepared.code == 0, prepared.err
    trained = run("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1", "--select", "ild@2")
    assert "valid ild@2" in trained.err
    kept = ("eval", "--keep-seen", "--no-baselines", "--metric")
    ((_, value, _),) = numbers(run, *kept, "ild@10")
    directed = [item % 4 for item in range(10)]
    distance = [(0, 1, 2, 1)[(a - b) % 4] for a in directed for b in directed]
    assert value == pytest.approx(sum(distance) / 90)  # every list holds all ten items


def test_a_metric_of_items_can_choose_the_epoch(prepared: Run) -> None:
    words = ("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1", "--select")
    assert "valid coverage@5" in prepared(*words, "coverage@5").err
    refused = prepared(*words, "arp@5")
    assert refused.code == 2 and "expected a metric where higher is better" in refused.err


def test_sampled_candidates_are_the_same_for_every_method(trained: Run) -> None:
    words = ("--metric", "recall@5", "--candidates", "sampled:3")
    evaluated = numbers(trained, "eval", *words)
    assert "; candidates=3 sampled + relevant; seen=train+valid positives removed; " in evaluated[0][2]
    result = trained("eval", *words)
    assert result.err.count("note: metrics of sampled candidates are biased") == 1
    assert numbers(trained, "rescore", *words) == evaluated
    board = {(row["loss"], row["signature"]) for row in trained("leaderboard", "--json").json}
    assert board >= {("popularity", evaluated[0][2]), ("bce", evaluated[0][2])}
    whole, another = numbers(trained, "eval", "--metric", "recall@5"), (*words[:3], "sampled:3:3")
    assert whole[0][1] < evaluated[0][1]  # three others are easier to beat than all
    assert "candidates=3 sampled with seed 3 + relevant" in numbers(trained, "eval", *another)[0][2]


def test_the_candidates_of_a_file(trained: Run, tmp_path: Path) -> None:
    data = Dataset.load(find_prepared("synthetic"))
    users, items = (data.raw_ids(side).drop("row").to_series() for side in ("user", "item"))  # type: ignore[arg-type]
    path = tmp_path / "all.parquet"
    users.rename("user").to_frame().join(items.rename("item").to_frame(), how="cross").write_parquet(path)
    words = ("eval", "--metric", "ndcg@5", "--no-baselines")
    given, whole = numbers(trained, *words, "--candidates", str(path)), numbers(trained, *words)
    assert [value for _, value, _ in given] == [value for _, value, _ in whole]
    assert "; candidates=file(sha256:" in given[0][2] and "users=with relevant and candidates" in given[0][2]


@pytest.mark.parametrize("words", [("--index", "hnsw"), ("--dialect", "lenskit")])
def test_what_says_itself_what_is_ranked_excludes_candidates(trained: Run, words: tuple[str, str]) -> None:
    refused = trained("eval", "--metric", "ndcg@5", "--candidates", "sampled:10", *words)
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == (
        f"error: {' '.join(words)} says what is ranked; leave out --candidates sampled:10"
    )
