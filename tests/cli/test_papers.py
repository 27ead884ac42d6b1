from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from recbench.home import results_home
from tests import facsimile
from tests.conftest import Run


@pytest.fixture
def films(run: Run, tmp_path: Path) -> Run:
    facsimile.write("ml-1m", tmp_path / "raw", 4000)
    assert run("prepare", "ml-1m", "--raw", str(tmp_path / "raw"), "--split", "user").code == 0
    return run


def records() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in results_home().rglob("record.json")}


SHORT = ("--set", "train.epochs=1", "--seeds", "2", "--method", "BCE", "--method", "BCE*", "--method", "GNOLR")


def test_a_table_beside_what_is_measured(films: Run) -> None:
    words = ("reproduce", "gnolr/table2", "--dataset", "ml-1m", *SHORT)
    told = films(*words, "--json")
    assert told.code == 0, told.err
    lines = {line["method"]: line for line in told.json["lines"]}
    assert list(lines) == ["BCE", "BCE*", "GNOLR"]
    assert lines["GNOLR"]["printed"] == "0.8139" and lines["GNOLR"]["seeds"] == 2
    assert lines["GNOLR"]["difference"] == pytest.approx(lines["GNOLR"]["mean"] - 0.8139)
    assert lines["BCE"]["verdict"] == "not comparable" and "other counts of rows" in lines["BCE"]["reasons"][0]
    assert lines["BCE"]["mean"] != lines["BCE*"]["mean"]
    before = records()
    assert len(before) == 6
    settings = films("leaderboard", "--json").json
    assert {row["settings"] for row in settings if row["loss"] == "gnolr"} == {
        row["settings"] for row in settings if row["loss"] == "gnolr" and "scale=2.57" in row["settings"]
    }
    for weights in results_home().rglob("weights.safetensors"):
        weights.unlink()
    again = films(*words, "--format", "markdown")
    assert again.code == 0 and records() == before  # nothing is trained twice, with records alone
    assert "| method | settings | metric | feedback | reported | measured | difference | seeds | verdict |" in again.out
    assert again.out.count("\n") == 9 and "\nnot comparable: the data prepared here" in again.out
    assert "reported" in films(*words).out
    board = {line["method"]: line for line in films("leaderboard", "--against", "gnolr/table2", "--json").json["lines"]}
    same = ("mean", "sd", "seeds", "verdict", "reasons", "runs", "printed", "data")
    assert all(board[method][name] == line[name] for method, line in lines.items() for name in same)
    assert board["JRC"]["verdict"] == "not run"


def test_what_lacks_a_number_is_evaluated_with_its_weights(films: Run) -> None:
    words = ("--dataset", "ml-1m", "--method", "JRC", "--set", "train.epochs=1", "--seeds", "1", "--json")
    assert films("reproduce", "gnolr/table11", *words).json["lines"][0]["metric"] == "auc"
    before = records()
    told = films("reproduce", "gnolr/table3", *words)  # the same run, another metric
    assert told.json["lines"][0]["metric"] == "gauc(gnolr)" and told.json["lines"][0]["seeds"] == 1
    assert records() == before


def test_other_data_than_the_table_s_do_not_compare(prepared: Run) -> None:
    words = ("--data", "synthetic/global", "--seeds", "1", "--set", "train.epochs=1", "--json")
    told = prepared("reproduce", "gnolr/table2", "--dataset", "ml-1m", "--method", "BCE", *words)
    assert told.code == 0, told.err
    (line,) = told.json["lines"]
    assert (line["feedback"], line["verdict"]) == ("view", "not comparable")
    assert "measured on synthetic/global; the paper's data are ml-1m/user" in line["reasons"]
    told = prepared("reproduce", "gnolr/table4", "--dataset", "kuairand-pure", "--method", "GNOLR", *words)
    assert told.code == 2 and "feedback `like` of synthetic" in told.err


def test_several_runs_at_a_time_give_the_same_numbers(films: Run) -> None:
    words = ("reproduce", "gnolr/table2", "--dataset", "ml-1m", *SHORT)
    one = films(*words, "--json")
    shutil.rmtree(results_home())
    two = films(*words, "--json", "--jobs", "2")
    assert two.code == 0 and "6/6" in two.err
    assert [line["mean"] for line in two.json["lines"]] == pytest.approx([line["mean"] for line in one.json["lines"]])
    before = records()
    assert films(*words, "--jobs", "2").code == 0 and records() == before


def test_fair_gives_every_method_the_same_tuning(films: Run) -> None:
    words = ("reproduce", "gnolr/table2", "--dataset", "ml-1m", "--set", "train.epochs=1", "--seeds", "1", "--fair")
    told = films(*words, "--method", "BCE", "--method", "GNOLR", "--json")
    assert told.code == 0, told.err
    assert told.json["protocol"] == "fair"
    for line in told.json["lines"]:
        assert line["verdict"] == "not comparable" and "learned scale and bias" in line["reasons"][-1]
        assert "loss.logit=learned" in line["settings"]
        assert any(word.startswith("train.lr=") for word in line["settings"])
    assert len(records()) == 2 * 5  # five learning rates each; the best is not trained again
    assert len(list((results_home() / "sweeps").glob("*.json"))) == 2


def test_trials_of_all_that_a_method_has_over_two_tables(films: Run) -> None:
    words = ("reproduce", "gnolr/table2+11", "--dataset", "ml-1m", "--set", "train.epochs=1", "--seeds", "2", "--fair")
    words = (*words, "--trials", "2", "--method", "BCE", "--method", "BCE*", "--method", "RankNet", "--json")
    told = films(*words)
    assert told.code == 0, told.err
    assert told.json["table"] == "gnolr/table2+11" and told.json["trials"] == 2
    lines = {line["method"]: line for line in told.json["lines"]}
    searched = [word.partition("=")[0] for word in lines["RankNet"]["settings"][-3:]]
    assert searched == ["train.lr", "train.weight_decay", "loss.scale"]
    assert "the best of 2 trials on validation" in lines["RankNet"]["reasons"][-1]
    before = records()
    trials = {path for path in before if path.parent.name.startswith("s0-")}
    assert len(trials) == 5  # BCE with and without a weight, BCE* with its own, where the drawn one is BCE's; RankNet
    assert "method 3 of 3: RankNet" in told.err and "6/6  ranknet" in told.err
    next(path for path in before if "ranknet" in str(path)).unlink()
    again = films(*words)
    assert again.json["lines"] == told.json["lines"] and records().keys() == before.keys()
    assert sum(time != before[path] for path, time in records().items()) == 1  # what is finished is kept


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--trials", "2", "--set", "loss.scale=2"), "--fair searches loss.scale on validation; leave it out"),
        (
            ("--grid", "lr=0.1,0.2", "--grid", "loss.scale=1,2", "--set", "loss.scale=2"),
            "is given by --set and by --grid",
        ),
        (("--grid", "lr=0.1..0.2"), "--grid lr=0.1..0.2: a range needs --trials; else list its values"),
    ],
)
def test_what_cannot_be_tuned_is_refused_at_once(films: Run, words: tuple[str, ...], message: str) -> None:
    told = films("reproduce", "gnolr/table2", "--dataset", "ml-1m", "--method", "GNOLR", "--fair", *words)
    assert told.code == 2 and message in told.err and len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gnolr/table2", "--trials", "3"), "--trials 3: of what `--fair` searches; add --fair"),
        (("gnolr/table22",), "unknown published table `gnolr/table22`; did you mean `gnolr/table2`"),
        (("gnolr/table2", "--dataset", "ml1m"), "unknown dataset `ml1m` of gnolr/table2; did you mean `ml-1m`"),
        (("gnolr/table2", "--dataset", "ml-1m", "--method", "BPR"), "unknown method `BPR` of gnolr/table2 on ml-1m"),
        (
            ("til/table1", "--dataset", "gowalla", "--backbone", "mff"),
            "unknown backbone `mff` of til/table1 on gowalla",
        ),
        (
            ("sasrec/table1", "--method", "BERT4Rec", "--backbone", "sasrec"),
            "sasrec/table1 has no BERT4Rec on sasrec; leave out --method or --backbone",
        ),
        (("gnolr/table2", "--dataset", "ml-20m"), "run `recbench prepare ml-20m --split user` first"),
        (("gnolr/table2", "--dataset", "ml-1m", "--set", "epochs"), "--set epochs: expected OWNER.KEY=VALUE"),
    ],
)
def test_what_cannot_be_reproduced(run: Run, words: tuple[str, ...], message: str) -> None:
    result = run("reproduce", *words)
    assert result.code == 2 and result.err.startswith("error: ") and message in result.err
    assert result.err.count("\n") == 1


def test_papers(run: Run) -> None:
    listed = {table["name"] for table in run("papers", "--json").json}
    assert {"gnolr/table2", "til/table1", "croloss/table2", "sasrec/table1"} <= listed
    assert "gnolr/table2" in run("papers").out
    of_one = {table["name"] for table in run("papers", "gnolr", "--json").json}
    assert of_one == {name for name in listed if name.startswith("gnolr/")}
    assert "0.8139" in run("papers", "gnolr/table2").out
    assert run("papers", "gnolr/tabel2").code == 2


def test_pairs_that_cannot_work_are_lines_of_the_table(prepared: Run) -> None:
    words = ("--data", "synthetic/global", "--seeds", "1", "--set", "train.epochs=1", "--method", "AOBPR", "--json")
    told = prepared("reproduce", "til/table1", "--dataset", "gowalla", *words)
    assert told.code == 0, told.err
    lines = {(line["backbone"], line["metric"]): line for line in told.json["lines"]}
    assert lines["neumf", "recall@20"]["verdict"] == "not in recbench"
    assert "needs vectors" in lines["neumf", "recall@20"]["reasons"][0]
    assert lines["mf", "recall@20"]["verdict"] == "not comparable" and lines["mf", "recall@20"]["mean"] > 0


def test_a_table_is_trained_as_its_paper_s_preset_says_or_says_that_there_is_none(prepared: Run) -> None:
    words = ("--data", "synthetic/global", "--seeds", "1", "--set", "train.epochs=1", "--backbone", "mf", "--json")
    told = prepared("reproduce", "til/table1", "--dataset", "gowalla", "--method", "TIL-MI", *words)
    assert told.code == 0 and not any("no preset" in reason for reason in told.json["lines"][0]["reasons"])
    (record,) = records()
    chosen = json.loads(record.read_text())["key"]["settings"]
    assert (chosen["train.batch_size"], chosen["train.lr"], chosen["backbone.std"]) == (5000, 0.001, 0.008)
    assert (chosen["loss.pretrain"], chosen["loss.clusters"]) == (500, 60)
    told = prepared("reproduce", "bars/table1", "--dataset", "gowalla-lightgcn", "--method", "MF-BPR", *words)
    assert any("no preset has the paper's training" in reason for reason in told.json["lines"][0]["reasons"])


def test_settings_that_cannot_work_are_refused_before_anything_is_trained(prepared: Run) -> None:
    words = ("--data", "synthetic/global", "--method", "BPR", "--method", "TIL-UI", "--fair")
    for of_optimizers in (("--set", "train.optimizer=sgd"), ("--grid", "train.optimizer=adam,sgd")):
        result = prepared("reproduce", "til/table1", "--dataset", "gowalla", *words, *of_optimizers)
        assert result.code == 2
        assert result.err == (
            "error: train.optimizer=sgd: loss `til-ui` can be trained with adam, adamw, adagrad alone\n"
        )
    result = prepared("reproduce", "til/table1", "--dataset", "gowalla", *words, "--grid", "loss.pos_weight=1,2")
    assert (result.code, result.err.count("\n")) == (2, 1) and "unknown setting `loss.pos_weight` of bpr" in result.err
    assert not results_home().exists()
