"""`--preset`, as a user types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from recbench.home import results_home
from recbench.run import preset, train_command
from tests.conftest import Run

TOY = """
source = "nobody (2026)"
backbone = "mf"
settings = ["train.epochs=1", "train.lr=0.5"]
backbones = { mf = ["backbone.dim=4"] }

[presets.shop]
dataset = "synthetic"
split = "global"
feedback = ["cart", "buy"]
losses = { gnolr = ["loss.scale=3"], "bce jrc" = ["loss.pos_weight=2"], nsb = ["loss.kernel=exp"] }
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "toy.toml"
    file.write_text(TOY)
    monkeypatch.setattr(preset, "FOLDER", tmp_path)
    return file


def keys() -> list[dict[str, Any]]:
    return [json.loads(path.read_text())["key"] for path in results_home().rglob("record.json")]


@pytest.fixture
def prepared(run: Run, small_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same, where a small log is prepared."""
    monkeypatch.setenv("RECBENCH_HOME", str(small_home))
    return run


def test_a_preset_says_what_is_left_open(prepared: Run, toy: Path) -> None:
    result = prepared("train", "--preset", "toy/shop", "--loss", "gnolr")
    assert result.code == 0
    assert "preset toy/shop: train.epochs=1 train.lr=0.5 backbone.dim=4 loss.scale=3" in result.err
    assert "dataset synthetic/global\n" in result.err
    (key,) = keys()
    assert (key["backbone"], key["feedback"]) == ("mf", ["cart", "buy"])
    assert (key["settings"]["train.lr"], key["settings"]["loss.scale"], key["settings"]["backbone.dim"]) == (0.5, 3, 4)


def test_several_losses_say_what_one_says(prepared: Run, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        train_command, "warn_of_counts", lambda data, _: print(f"counts of {data.name}", file=sys.stderr)
    )
    one = prepared("train", "--preset", "toy/shop", "--loss", "gnolr").err.splitlines()
    several = prepared("train", "--preset", "toy/shop", "--loss", "gnolr,bce").err.splitlines()
    common = "train.epochs=1 train.lr=0.5 backbone.dim=4"
    assert one[:3] == [f"preset toy/shop: {common} loss.scale=3", "dataset synthetic/global", "counts of synthetic"]
    assert several[:4] == [
        f"preset toy/shop for gnolr × mf: {common} loss.scale=3",
        f"preset toy/shop for bce × mf: {common} loss.pos_weight=2",
        *one[1:3],
    ]


def test_what_is_typed_wins(prepared: Run, toy: Path) -> None:
    words = ("--lr", "0.1", "--set", "loss.pos_weight=5", "--feedback", "view", "--backbone", "lightgcn")
    assert prepared("train", "--preset", "toy/shop", "--loss", "bce", *words).code == 0
    (key,) = keys()
    assert (key["backbone"], key["feedback"]) == ("lightgcn", ["view"])
    assert (key["settings"]["train.lr"], key["settings"]["loss.pos_weight"]) == (0.1, 5)
    assert (key["settings"]["train.epochs"], key["settings"]["backbone.dim"]) == (1, 64)


def test_a_preset_may_name_a_sampler_and_another_may_be_typed(prepared: Run, toy: Path) -> None:
    toy.write_text(TOY.replace("nsb = [", 'bpr = ["sampler.name=popularity"], nsb = ['))
    assert prepared("train", "--preset", "toy/shop", "--loss", "bpr").code == 0
    assert prepared("train", "--preset", "toy/shop", "--loss", "bpr", "--sampler", "uniform").code == 0
    assert {key["settings"]["sampler.name"] for key in keys()} == {"popularity", "uniform"}
    toy.write_text(TOY.replace("nsb = [", 'bpr = ["sampler.name=popular"], nsb = ['))
    preset._read.cache_clear()
    refused = prepared("train", "--preset", "toy/shop", "--loss", "bpr")
    assert refused.code == 2 and "toy.toml: preset toy/shop, loss bpr: unknown sampler `popular`" in refused.err


def test_a_papers_preset_on_other_data(prepared: Run) -> None:
    words = ("--dataset", "synthetic", "--loss", "bce", "--epochs", "1", "--set", "backbone.dim=4")
    assert prepared("train", "--preset", "gnolr/ml-1m", *words).code == 0
    (key,) = keys()
    assert (key["backbone"], key["feedback"]) == ("twintower", ["view"])
    assert (key["settings"]["train.lr"], key["settings"]["loss.pos_weight"]) == (0.05, 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--preset", "toy/shp"), "unknown preset `toy/shp`; did you mean `toy/shop`"),
        (
            ("--preset", "toy/shop", "--loss", "nsb"),
            "toy.toml: preset toy/shop, loss nsb: unknown setting `kernel` of loss `nsb`",
        ),
        (("--preset", "toy/shop", "--loss", "gnolrr"), "unknown loss `gnolrr`; did you mean `gnolr`"),
        (("--preset", "toy/shop", "--backbone", "fm"), "unknown backbone `fm`; did you mean `mf`"),
        (("--resume", "--preset", "toy/shop"), "leave out --preset"),
    ],
)
def test_what_cannot_be_meant(prepared: Run, toy: Path, words: tuple[str, ...], message: str) -> None:
    result = prepared("train", *words)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert message in result.err


def test_data_that_are_not_prepared(run: Run, toy: Path) -> None:
    result = run("train", "--preset", "toy/shop")
    assert result.code == 2
    assert "run `recbench prepare synthetic --split global` first" in result.err
