from __future__ import annotations

import pytest

from tests.conftest import Run


@pytest.fixture
def trained(prepared: Run) -> Run:
    assert prepared("train", "--loss", "nsb", "--backbone", "mf", "--epochs", "2").code == 0
    return prepared


def values(run: Run, *words: str) -> dict[tuple[str, str], float]:
    told = run(*words, "--json")
    assert told.code == 0, told.err
    return {(value["metric"], value["feedback"]): value["value"] for value in told.json}


def test_other_libraries_print_other_numbers(trained: Run) -> None:
    words = ("--metric", "auc", "--metric", "gauc", "--metric", "recall@10")
    own = values(trained, "eval", *words)
    recbole = values(trained, "eval", "--dialect", "recbole", *words)
    assert recbole["auc(recbole)", "view"] == pytest.approx(own["auc", "view"])
    assert recbole["recall@10(recbole)", "buy"] != pytest.approx(own["recall@10", "buy"], abs=1e-6)  # of seen items
    kept = ("--metric", "recall@10", "--keep-seen")
    own_kept, recbole_kept = (values(trained, "rescore", *kept, *other) for other in ((), ("--dialect", "recbole")))
    assert recbole_kept["recall@10(recbole)", "buy"] == pytest.approx(own_kept["recall@10", "buy"])
    assert recbole["gauc(recbole)", "view"] != pytest.approx(own["gauc", "view"], abs=1e-6)
    lenskit = values(trained, "rescore", "--dialect", "lenskit", "--metric", "recall@10")
    assert lenskit["recall@10(lenskit)", "view"] != pytest.approx(recbole["recall@10(recbole)", "view"], abs=1e-6)
    board = trained("leaderboard", "--json").json
    assert {row["metric"] for row in board} >= {"auc", "auc(recbole)", "recall@10", "recall@10(lenskit)"}
    assert len({row["signature"] for row in board if row["metric"].startswith("recall")}) == 5


@pytest.mark.parametrize("name", ["recbole", "fuxictr", "torch-rechub", "lenskit", "cornac", "elliot", "gnolr"])
def test_every_dialect_has_defaults(trained: Run, name: str) -> None:
    assert values(trained, "eval", "--dialect", name)


def test_what_a_library_has_not(trained: Run) -> None:
    for words, message in [
        (("--dialect", "lenskitt"), "did you mean `lenskit`"),
        (("--dialect", "lenskit", "--metric", "gauc"), "has no gauc"),
        (("--dialect", "recbole", "--metric", "recall"), "needs a cut-off"),
        (("--dialect", "recbole", "--metric", "auc/like"), "unknown feedback"),
    ]:
        told = trained("eval", *words)
        assert told.code == 2 and message in told.err, told.err


def test_a_dialect_that_ranks_the_catalogue_does_so_whatever_the_candidates(trained: Run) -> None:
    words = ("--dialect", "recbole", "--metric", "recall@5")
    assert values(trained, "eval", *words, "--candidates", "test") == values(trained, "eval", *words)
