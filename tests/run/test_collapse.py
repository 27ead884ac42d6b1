"""The note on a run whose vectors no longer tell users and items apart."""

from __future__ import annotations

import json

import pytest
import torch

from recbench.home import results_home
from recbench.training import checkpoint
from tests.conftest import Run


@pytest.mark.parametrize(("loss", "backbone"), [("bpr", "mf"), ("esmm", "twintower"), ("bce", "neumf")])
def test_eval_says_it_once_and_only_of_what_has_collapsed(prepared: Run, loss: str, backbone: str) -> None:
    assert prepared("train", "--loss", loss, "--backbone", backbone, "--epochs", "1").code == 0
    told = prepared("eval", "--metric", "recall@5", "--no-baselines")
    assert told.code == 0 and "point one way" not in told.err
    asked = prepared("eval", "--metric", "anisotropy", "--metric", "anisotropy(users)", "--no-baselines", "--json")
    if backbone == "neumf":
        assert asked.code == 2 and "no inner products of vectors; leave it out" in asked.err
        assert asked.err.count("\n") == 2  # which run, and the error
        return
    assert all(-1 <= row["value"] < 0.99 for row in asked.json)
    for path in results_home().rglob("vectors.safetensors"):
        held = checkpoint.load(path)
        one = torch.ones_like(held["item"])
        checkpoint.save(path, held | {"item": one + 1e-4 * held["item"]})
        told = prepared("eval", "--metric", "recall@5", "--no-baselines")
        assert told.err.count("bpr × mf on synthetic/global, seed 0: its vectors all point one way") == 1
        assert "try a lower --lr, or --set loss.logit=learned" in told.err
        assert "items 1.0000" in told.err and "users" not in told.err.partition("one way")[2]


def test_a_learned_scale_is_not_advised_to_a_run_that_has_one(prepared: Run) -> None:
    train = ("train", "--loss", "bce", "--backbone", "mf", "--epochs", "1", "--set", "loss.logit=learned")
    assert prepared(*train).code == 0
    assert prepared("eval", "--metric", "recall@5", "--no-baselines").code == 0
    for path in results_home().rglob("vectors.safetensors"):
        held = checkpoint.load(path)
        checkpoint.save(path, held | {"item": torch.ones_like(held["item"])})
    told = prepared("eval", "--metric", "recall@5", "--no-baselines").err
    assert "try a lower --lr" in told and "loss.logit" not in told


def test_train_says_it_of_the_weights_that_it_keeps(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    train = ("train", "--loss", "bpr", "--backbone", "mf", "--epochs", "2")
    usual = prepared(*train)
    assert usual.code == 0 and "one way" not in usual.err
    monkeypatch.setattr("recbench.evaluation.metrics.vectors.COLLAPSED", -1.0)
    told = prepared(*train, "--seed", "1").err
    assert told.count("its vectors all point one way") == 1
    weights = next(path for path in results_home().rglob("weights.safetensors") if path.parent.name.startswith("s1-"))
    item = checkpoint.load(weights)["backbone"]["item_table"].double()
    cosine = torch.nn.functional.cosine_similarity(item[:, None], item[None], dim=-1)
    mean = (cosine.sum() - len(item)) / (len(item) * (len(item) - 1))
    assert f"items {mean:.4f}" in told
    (note,) = json.loads((weights.parent / "record.json").read_text(encoding="utf-8"))["notes"]
    assert note in told
