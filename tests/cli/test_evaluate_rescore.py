from __future__ import annotations

import pytest

from recbench.home import results_home
from tests.conftest import Run


def trained(run: Run, loss: str) -> Run:
    assert run("train", "--loss", loss, "--backbone", "mf", "--epochs", "2").code == 0
    assert run("eval", "--metric", "auc").code == 0
    return run


def numbers(told: list[dict[str, object]]) -> list[object]:
    return [(value["metric"], value["feedback"], value["value"], value["signature"]) for value in told]


@pytest.mark.parametrize("loss", ["nsb", "gnolr", "bce"])
def test_without_the_model_the_numbers_are_the_same(prepared: Run, loss: str) -> None:
    run = trained(prepared, loss)
    words = ("--metric", "ndcg@10", "--metric", "gauc", "--metric", "recall@5", "--json")
    for weights in results_home().rglob("weights.safetensors"):
        weights.rename(weights.with_name("away"))
    again = run("rescore", *words)
    assert again.code == 0, again.err
    for weights in results_home().rglob("away"):
        weights.rename(weights.with_name("weights.safetensors"))
    for name in ("scores.parquet", "vectors.safetensors"):
        next(results_home().rglob(name)).unlink()
    assert numbers(run("eval", *words).json) == numbers(again.json)


def test_what_is_not_kept(prepared: Run) -> None:
    run = trained(prepared, "esmm")  # its score is no inner product
    assert run("rescore", "--metric", "gauc", "--metric", "logloss").code == 0
    told = run("rescore", "--metric", "recall@5")
    assert told.code == 2 and "no vectors" in told.err and told.err.count("\n") <= 2
    assert run("eval", "--metric", "recall@5").code == 0
    next(results_home().rglob("scores.parquet")).write_bytes(b"PAR1")
    told = run("rescore", "--metric", "gauc")
    assert told.code == 1 and "damaged" in told.err and "run `recbench eval`, which computes it again" in told.err
    again = run("eval", "--metric", "gauc", "--no-baselines")
    assert again.code == 0 and "damaged" in again.err and "; computed again" in again.err
    assert run("rescore", "--metric", "gauc").code == 0
