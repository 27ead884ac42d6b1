from __future__ import annotations

import pytest

from tests.conftest import Run


@pytest.fixture
def trained(prepared: Run) -> Run:
    assert prepared("train", "--loss", "nsb", "--backbone", "mf", "--epochs", "1", "--seeds", "2").code == 0
    return prepared


def test_a_card_says_what_eval_says(trained: Run) -> None:
    told = trained("card", "--k", "20", "--json")
    assert told.code == 0, told.err
    (card,) = told.json
    assert card["feedback"] == ["view", "cart", "buy"] and len(card["runs"]) == 2
    numbers = {(n["metric"], n["feedback"], n["by"]): n for n in card["numbers"]}
    assert len(numbers) == 3 * 3 + 9
    told = trained("eval", "--metric", "recall@20/buy:view", "--metric", "cindex", "--metric", "auc", "--json").json
    for name, feedback, place in [
        ("recall@20:view", "buy", ("recall@20", "buy", "view")),
        ("cindex", "cart", ("cindex", "cart", "cart")),
        ("auc", "view", ("auc", "view", "view")),
    ]:
        values = [v["value"] for v in told if (v["metric"], v["feedback"]) == (name, feedback)]
        assert len(values) == 2 and numbers[place]["mean"] == pytest.approx(sum(values) / 2)


def test_a_card_to_read(trained: Run) -> None:
    told = trained("card")
    assert told.code == 0, told.err
    assert "nsb × mf on synthetic/global, 2 seeds" in told.out
    assert told.out.count("index of") == 3 and "±" in told.out
    trained("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1")
    single = trained("card").out
    assert "bce × mf on synthetic/global, 1 seed" in single
    assert "index of" not in single and "cindex" not in single


def test_a_method_named_without_its_option(run: Run) -> None:
    told = run("card", "gnolr")
    assert told.code == 2 and "runs are named by --run gnolr; see `" in told.err and told.err.count("\n") == 1
    assert "runs are named" not in run("doctor", "gnolr").err


def test_a_card_of_nothing(run: Run) -> None:
    told = run("card")
    assert told.code == 2 and told.err.count("\n") == 1


def test_the_passport_of_a_loss(run: Run) -> None:
    told = run("card", "--loss", "ultragcn")
    assert told.code == 0, told.err
    assert "recbench verify loss ultragcn" in told.out and "0.1862" in told.out
    assert run("card", "--loss", "ultragcn", "--json").json["loss"] == "ultragcn"
    assert run("card", "--loss", "ultragcn", "--format", "markdown").out.startswith("### `ultragcn`")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--loss", "ultragcm"), "did you mean `ultragcn`"),
        (("--loss", "bpr", "--run", "a"), "give one of them"),
        (("--format", "markdown"), "add --loss NAME"),
    ],
)
def test_what_a_passport_refuses(run: Run, words: tuple[str, ...], message: str) -> None:
    told = run("card", *words)
    assert told.code == 2 and message in told.err and told.err.count("\n") == 1
