"""Every kind of picture from real runs: the file is there, and its numbers are those of a plain computation."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from recbench.home import home, results_home
from tests.conftest import Run

FAST = ("--backbone", "mf", "--set", "backbone.dim=4", "--epochs", "1")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def numbers(run: Run, *words: str) -> Any:
    told = run("plot", *words, "--json")
    assert told.code == 0, told.err
    return told.json


def written(run: Run, *words: str) -> str:
    told = run("plot", *words)
    assert told.code == 0, told.err
    path = Path(told.out.strip())
    assert path.stat().st_size > 1000
    return path.name


def plain_angles(part: str, towers: slice) -> tuple[list[float], list[int]]:
    """Return the angle and the level of every row, by numpy from the weights of the only run (mf, cosine)."""
    weights = load_file(next(results_home().rglob("weights.safetensors")))
    user, item = weights["/backbone/user_table"], weights["/backbone/item_table"]
    scale = np.exp(weights["/loss/head.log_scale"])[:, None]
    log = pl.read_parquet(home() / "prepared" / "synthetic" / "global" / f"{part}.parquet")
    angles = []
    for u, i in log.select("user", "item").iter_rows():
        a, b = (v.reshape(3, 4) / np.linalg.norm(v.reshape(3, 4), axis=1, keepdims=True) for v in (user[u], item[i]))
        a, b = (a * scale)[towers].ravel(), b[towers].ravel()
        angles.append(np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))))
    return angles, log["level"].to_list()


@pytest.mark.parametrize("part", ["valid", "test"])
def test_angles(prepared: Run, part: str) -> None:
    assert prepared("train", "--loss", "gnolr", *FAST).code == 0
    if part == "test":
        told = prepared("plot", "angles", "--part", "test")
        assert told.code == 2 and told.err.count("\n") == 1
        assert "has not seen the test rows; run `recbench eval --run" in told.err
        assert prepared("eval", "--metric", "auc").code == 0
    assert written(prepared, "angles", "--part", part) == "angles.png"
    spaces = numbers(prepared, "angles", "--part", part)
    assert [space["title"] for space in spaces] == ["tower 1", "tower 2", "tower 3", "unified (buy)"]
    for space, towers in [(spaces[1], slice(1, 2)), (spaces[3], slice(0, 3))]:
        angles, levels = plain_angles(part, towers)
        assert [level["name"] for level in space["levels"]] == ["none", "view", "cart", "buy"]
        assert len(set(levels)) > 2
        for number, level in enumerate(space["levels"]):
            own = [angle for angle, of_row in zip(angles, levels, strict=True) if of_row == number]
            assert level["rows"] == len(own)
            if not own:
                assert level["acute"] is None and set(level["share"]) == {0.0}
                continue
            count, _ = np.histogram(own, bins=36, range=(0, 180))
            assert level["share"] == pytest.approx((100 * count / len(own)).tolist(), abs=200 / len(own) + 1e-9)
            assert level["acute"] == pytest.approx(np.mean(np.array(own) < 90), abs=1.5 / len(own))


def test_angles_of_losses_that_do_not_add_up_towers(prepared: Run) -> None:
    for loss, titles in [("bce", ["angle of the score"]), ("esmm", ["tower 1", "tower 2", "tower 3"])]:
        assert prepared("train", "--loss", loss, *FAST).code == 0
        assert [space["title"] for space in numbers(prepared, "angles")] == titles


def test_angles_need_vectors(prepared: Run) -> None:
    assert prepared("train", "--loss", "bpr", "--backbone", "neumf", "--epochs", "1").code == 0
    told = prepared("plot", "angles")
    assert told.code == 2 and "`neumf` are no inner products" in told.err and told.err.count("\n") == 1
    assert not Path("angles.png").exists()


def test_recall_curve_says_what_eval_says(prepared: Run) -> None:
    assert prepared("train", "--loss", "nsb", "--seeds", "2", *FAST).code == 0
    assert prepared("eval", "--metric", "recall@5", "--candidates", "test").code == 0
    panels = numbers(prepared, "recall-curve", "--k", "5,20")
    told = prepared("eval", "--metric", "recall@5", "--metric", "recall@20", "--json").json
    assert [panel["title"] for panel in panels] == ["view", "cart", "buy"]
    for panel in panels:
        (line,) = panel["lines"]
        for point in line["points"]:
            values = [
                v["value"] for v in told if (v["metric"], v["feedback"]) == (f"recall@{point['x']}", panel["title"])
            ]
            assert len(values) == 2 and point["mean"] == pytest.approx(sum(values) / 2)
    evaluations = len(list(results_home().rglob("evaluations/*.json")))
    assert written(prepared, "recall-curve", "--k", "20,5", "-o", "deep/r.svg") == "r.svg"
    assert len(list(results_home().rglob("evaluations/*.json"))) == evaluations


def test_importance_is_what_the_run_noted(prepared: Run) -> None:
    assert prepared("train", "--loss", "til-ui", *FAST).code == 0
    assert written(prepared, "importance") == "importance.png"
    everything, *quarters = numbers(prepared, "importance")
    (note, *_) = prepared("show", "--json").json["record"]["notes"]
    mean, rest = re.search(r"mean ([\d.e-]+), .*rare to popular: ([\d.e\- ]+)", note).groups()  # type: ignore[union-attr]
    assert everything["mean"] == pytest.approx(float(mean), rel=1e-2)
    assert [q["mean"] for q in quarters] == pytest.approx([float(word) for word in rest.split()], rel=1e-2)
    assert everything["quantiles"] == sorted(everything["quantiles"])
    assert [q["label"] for q in quarters] == ["rarest", "quarter 2", "quarter 3", "most popular"]


def test_pictures_of_the_store(prepared: Run) -> None:
    for noise in ("", "pos=0.5"):
        for loss in ("bpr", "til-ui"):
            assert prepared("train", "--loss", loss, "--seeds", "2", *FAST, "--set", f"train.noise={noise}").code == 0
    assert written(prepared, "noise") == "noise.png"
    assert written(prepared, "noise", "--drop", "-o", "drop.svg") == "drop.svg"
    assert written(prepared, "curves") == "curves.png"
    (cloud,) = numbers(prepared, "quality-time")
    assert len(cloud["methods"]) == 4 and cloud["y"] == "auc, validation rows"
    assert written(prepared, "quality-time") == "quality-time.png"
    assert written(prepared, "kernels", "--alpha", "0,1", "--items", "1000000") == "kernels.png"


def test_sensitivity_takes_the_trials_of_a_sweep(prepared: Run) -> None:
    words = ("sweep", "--losses", "bce,bpr", "--backbone", "mf", "--set", "train.epochs=1", "--seeds", "2")
    found = prepared(*words, "--grid", "backbone.dim=2,4", "--json")
    assert found.code == 0, found.err
    (panel,) = numbers(prepared, "sensitivity", "--setting", "backbone.dim")
    assert written(prepared, "sensitivity", "--setting", "backbone.dim") == "sensitivity.png"
    trials = {(trial["loss"], trial["words"][0]): trial for trial in found.json["trials"]}
    assert len(trials) == 4
    for line in panel["lines"]:
        for point in line["points"]:
            trial = trials[line["label"].split()[0], f"backbone.dim={point['x']}"]
            assert (point["mean"], point["sd"]) == pytest.approx((trial["valid"], trial["sd"]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("angles", "-o", "a.pdf"), "-o a.pdf: expected a name that ends in .png or .svg"),
        (("angles", "--run", "zzz"), "no run starts with `zzz`"),
        (("angles", "--part", "train"), "train"),
        (("recall-curve", "--k", "5,x"), "expected a cut-off from 1 to 10000, found `x`"),
        (("recall-curve", "--k", "0"), "expected a cut-off from 1"),
        (("kernels", "--alpha", "0,x"), "--alpha 0,x: expected numbers"),
        (("kernels", "--alpha", "inf"), "expected finite numbers"),
        (("kernels", "--items", "1"), "--items 1: expected a whole number from 2 to"),
        (("importance",), "has no triplet weights; choose one of til-ui, til-mi"),
        (("noise",), "no run was trained with noise"),
        (("sensitivity",), "--setting"),
        (("sensitivity", "--setting", "loss.scal"), "did you mean `loss.scale`"),
        (("quality-time", "--metric", "acu"), "did you mean `auc`"),
        (("quality-time", "--dataset", "ml-1m"), "unknown dataset `ml-1m` of these runs"),
        (("pie",), "pie"),
    ],
    ids=" ".join,
)
def test_one_line(prepared: Run, words: tuple[str, ...], message: str) -> None:
    assert prepared("train", "--loss", "bce", *FAST).code == 0
    told = prepared("plot", *words)
    assert message in told.err.splitlines()[-1]
    assert told.code == 2 and "Traceback" not in told.err
    assert not list(Path().glob("*.p*"))


def test_runs_on_different_data(prepared: Run) -> None:
    assert prepared("train", "--loss", "bce", *FAST).code == 0
    assert prepared("prepare", "synthetic", "--rows", "3000").code == 0
    assert prepared("train", "--loss", "bce", *FAST).code == 0
    words = [word for path in results_home().rglob("record.json") for word in ("--run", path.parent.name.split("-")[1])]
    told = prepared("plot", "curves", *words)
    assert told.code == 2 and "numbers on different data do not compare" in told.err


def test_without_matplotlib(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    told = run("plot", "kernels")
    assert (told.code, told.err) == (2, "error: matplotlib is not installed; run `pip install recbench[plot]`\n")
