"""`recbench baselines`, and what `eval` does beside a run."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest
import torch
from sklearn.metrics import roc_auc_score

from recbench.baselines import base
from recbench.baselines.base import BASELINES, defaults
from recbench.data.dataset import Dataset, concat_logs
from recbench.evaluation.predictions import InnerProductScores
from recbench.home import home, results_home
from recbench.registry import BASELINE, source_digest
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.run import baseline_search, baselines_beside, fit_baseline
from recbench.run import baselines as run_baselines
from recbench.run.fit_baseline import fitted_model
from tests import facsimile
from tests.conftest import Run, forget_imports

METRICS = ("--metric", "auc", "--metric", "recall@5")
NAMES = set(BASELINES.names())


@pytest.fixture
def trained(prepared: Run) -> Run:
    assert prepared("train", "--loss", "bce", "--backbone", "mf", "--epochs", "2").code == 0
    return prepared


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: None if name == "implicit" else find_spec(name))


def part(name: str, feedback: str) -> list[tuple[int, int]]:
    rows = pl.read_parquet(home() / "prepared" / "synthetic" / "global" / f"{name}.parquet")
    return list(rows.filter(pl.col(feedback) > 0).select("user", "item").iter_rows())


@pytest.mark.parametrize("feedback", ["view", "buy"])
def test_recall_of_popularity_is_what_a_loop_finds(prepared: Run, feedback: str) -> None:
    told = prepared(
        "baselines", "--budget", "0", "--only", "popularity", "--metric", "recall@5", "--feedback", feedback, "--json"
    ).json
    train = set(part("train", feedback))
    seen = train | set(part("valid", feedback))
    count = Counter(item for _, item in train)
    items = pl.read_parquet(home() / "prepared" / "synthetic" / "global" / "items.parquet").height
    order = sorted(range(items), key=lambda item: (-count[item], item))
    wanted: dict[int, set[int]] = {}
    for user, item in set(part("test", feedback)) - seen:
        wanted.setdefault(user, set()).add(item)
    recalls = []
    for user, relevant in wanted.items():
        first = [item for item in order if (user, item) not in seen][:5]
        recalls.append(len(relevant & set(first)) / len(relevant))
    (row,) = told
    assert (row["feedback"], row["counted"]) == (feedback, len(recalls))
    assert row["value"] == pytest.approx(sum(recalls) / len(recalls), abs=1e-12)


def test_recent_popularity_counts_the_last_rows(prepared: Run) -> None:
    words = ("--budget", "0", "--only", "popularity", "--set", "popularity.recent=0.1", "--metric", "auc/view")
    row = prepared("baselines", *words, "--json").json[0]
    rows = pl.read_parquet(home() / "prepared" / "synthetic" / "global" / "train.parquet")
    last = rows.tail(math.ceil(0.1 * rows.height)).filter(pl.col("view") > 0).unique(["user", "item"])
    count = Counter(last["item"].to_list())
    test = pl.read_parquet(home() / "prepared" / "synthetic" / "global" / "test.parquet")
    scores = [count[item] for item in test["item"].to_list()]
    assert row["value"] == pytest.approx(roc_auc_score(test["view"].to_numpy(), scores), abs=1e-9)


def test_validation_rows_are_recent_where_they_are_late_in_time(toy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """With train.refit, of train rows at times 0, 4, 8, … and validation rows at 1, 6, 11, …, all below 600."""
    monkeypatch.setattr(fit_baseline, "has_time", lambda data: True)
    view, late = toy.narrow(["view"]), 600
    train = replace(view.train[:150], time=torch.arange(0, late, 4))
    valid = replace(view.valid[:120], time=torch.arange(1, late, 5))
    values = defaults("popularity") | {"popularity.recent": 0.1, "train.refit": True}
    key = RunKey("toy", "user", "0", ("view",), "popularity", BASELINE, 0, "cpu", values)
    model = fitted_model(key, replace(view, train=train, valid=valid))
    every = concat_logs(train, valid)
    last = sorted(range(270), key=lambda row: int(every.time[row]))[-27:]  # type: ignore[index]
    pairs = {(int(every.user[row]), int(every.item[row])) for row in last if every.label[row].any()}
    scores = model.by_feedback[0].scores(toy.positives)
    assert isinstance(scores, InnerProductScores)
    assert scores.item[:, 0].tolist() == [sum(item == own for _, own in pairs) for item in range(40)]


def test_rows_without_time_have_no_recent_ones(run: Run, tmp_path: Path) -> None:
    facsimile.write("gowalla", tmp_path / "raw", 2000)
    assert run("prepare", "gowalla", "--raw", str(tmp_path / "raw")).code == 0
    words = ("baselines", "--only", "popularity", "--metric", "recall@20")
    told = run(*words, "--budget", "0", "--set", "popularity.recent=0.1")
    assert told.code == 2
    assert "popularity.recent=0.1: the rows of gowalla/given have no time; leave it out" in told.err
    assert "popularity: 1 trial, validation recall@20" in run(*words).err  # nor does a search look at them


def test_all_of_them_stand_on_the_board_once(trained: Run) -> None:
    trained("eval", *METRICS)
    told = trained("baselines", "--budget", "0", *METRICS, "--seeds", "2", "--json")
    assert told.code == 0, told.err
    assert {(row["loss"], row["seed"]) for row in told.json} == {(name, 0) for name in NAMES} | {("ials", 1)}
    records = {path: path.stat().st_mtime_ns for path in results_home().rglob("record.json")}
    again = trained("baselines", "--budget", "0", *METRICS, "--seeds", "2", "--json")
    assert again.json == told.json
    assert {path: path.stat().st_mtime_ns for path in results_home().rglob("record.json")} == records
    board = [row for row in trained("leaderboard", "--json").json if row["feedback"] == "view"]
    for metric in ("auc", "recall@5"):  # one signature for all methods
        rows = [row for row in board if row["metric"] == metric]
        assert {row["loss"] for row in rows} == NAMES | {"bce"} and len({row["signature"] for row in rows}) == 1
    assert [row["seeds"] for row in board if row["loss"] == "ials"] == [2, 2]
    assert {row["backbone"] for row in board} == {"mf", "baseline"}


def test_settings_stand_beside_each_other(prepared: Run) -> None:
    words = ("baselines", "--budget", "0", "--only", "item-knn", "--metric", "auc/view")
    for more in ((), ("--set", "item-knn.k=2"), ("--set", "train.refit=true")):
        assert prepared(*words, *more).code == 0
    rows = prepared("leaderboard", "--json").json
    assert {row["settings"] for row in rows} == {"", "k=2", "refit=true"}
    assert len({row["mean"] for row in rows}) == 3


def test_eval_puts_cheap_baselines_beside_a_run(trained: Run) -> None:
    alone = trained("eval", *METRICS, "--no-baselines", "--json")
    assert not list(results_home().rglob("*-baseline")) and "baselines" not in alone.err
    beside = trained("eval", *METRICS, "--json")
    assert beside.json == alone.json
    assert beside.err.splitlines()[-1] == (
        "hint: `recbench baselines --dataset synthetic/global --metric auc --metric recall@5` "
        f"tunes and adds {', '.join(sorted(NAMES - {'popularity', 'item-knn'}))}"
    )
    files = sorted(results_home().rglob("*-baseline/*/*"))
    assert trained("eval", *METRICS).code == 0
    assert sorted(results_home().rglob("*-baseline/*/*")) == files
    rows = {(r["loss"], r["metric"]): r for r in trained("leaderboard", "--json").json if r["feedback"] == "view"}
    for metric in ("auc", "recall@5"):
        own = rows["bce", metric]
        best = max(("popularity", "item-knn"), key=lambda name: rows[name, metric]["mean"])
        assert own["below"] == (best if own["mean"] < rows[best, metric]["mean"] else "")
        assert (f"is below {best} in {metric} of view" in beside.err) or not own["below"]
    assert "item-knn" in (results_home() / "leaderboard.md").read_text()
    assert trained("baselines", "--budget", "0", *METRICS).code == 0
    assert "hint" not in trained("eval", *METRICS).err


def test_eval_fits_no_baseline_that_takes_long(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines_beside, "MAX_FIT_SECONDS", 0.0)
    assert trained("eval", *METRICS).code == 0
    assert {path.name for path in results_home().rglob("*-baseline")} == {"popularity-baseline"}


def test_eval_puts_the_best_baseline_on_validation_beside_a_run(trained: Run) -> None:
    for words in (("slim",), ("item-knn", "--set", "item-knn.k=2"), ("item-knn", "--set", "item-knn.k=40")):
        assert trained("baselines", "--budget", "0", "--metric", "recall@5", "--only", *words).code == 0
    store = Store(results_home())
    best = max((record for record, _ in store.runs() if record.key.is_baseline), key=lambda record: record.valid)
    words = ("--loss", "bce", "--backbone", "mf", "--epochs", "2", "--set", "train.refit=true")
    assert trained("train", *words).code == 0
    assert trained("eval", "--metric", "auc").code == 0
    beside = [path for path in results_home().rglob("*-baseline/*") if "auc" in _metrics(path)]
    (path,) = (path for path in beside if path.parent.name != "popularity-baseline")
    key = store.find(path.name.rpartition("-")[2]).key
    assert key.settings == {**best.key.settings, "train.refit": True}  # as the run that it stands beside


def _metrics(folder: Path) -> set[str]:
    return {v["metric"] for file in folder.glob("evaluations/*.json") for v in json.loads(file.read_text())["values"]}


def test_eval_keeps_its_protocol(trained: Run) -> None:
    for words in (("--candidates", "test"), ("--keep-seen",), ("--dialect", "lenskit")):
        assert trained("eval", "--metric", "recall@5", *words).code == 0
    rows = trained("leaderboard", "--json").json
    assert {r["signature"] for r in rows if r["loss"] == "bce"} == {
        r["signature"] for r in rows if r["loss"] == "popularity"
    }


def test_the_hint_can_be_typed_with_a_metric_of_ones_own(trained: Run, tmp_path: Path) -> None:
    file = tmp_path / "first.py"
    file.write_text(
        "from recbench.evaluation.metric import METRICS, TopKMetric\n"
        "@METRICS.add('first')\n"
        "class First(TopKMetric):\n"
        "    words = 'value=1 for a hit in the first place'\n"
        "    def values(self, lists):\n"
        "        return lists.hit[:, 0].double()\n"
    )
    hint = trained("eval", "--import", str(file), "--metric", "first@5").err.splitlines()[-1]
    words = shlex.split(hint.split("`")[1])
    forget_imports()
    assert trained(*words[1:], "--only", "ease", "--budget", "0").code == 0


OWN_BASELINE = (
    "from recbench.baselines.base import BASELINES\n"
    "from recbench.baselines.popularity import MostPopular\n"
    "@BASELINES.add('mine')\n"
    "class Mine(MostPopular):\n"
    "    pass\n"
)


@pytest.fixture
def own_file(tmp_path: Path) -> Iterator[Path]:
    """Write a baseline of the user's own, and forget it after the test."""
    file = tmp_path / "mine.py"
    file.write_text(OWN_BASELINE)
    yield file
    forget_imports()


def test_a_baseline_of_ones_own_file(trained: Run, own_file: Path) -> None:
    words = ("baselines", "--import", str(own_file), "--only", "mine", "--budget", "0", "--metric", "auc")
    assert trained(*words).code == 0
    records = [record for record, _ in Store(results_home()).runs() if record.key.loss == "mine"]
    assert [record.key.sources for record in records] == [{"mine.py": source_digest(own_file)}]
    assert [Path(path).name for path in records[0].imports] == ["mine.py"]
    board = trained("leaderboard", "--format", "csv")
    assert "mine" in board.out


def test_another_version_of_ones_own_baseline_is_another_run(trained: Run, own_file: Path) -> None:
    words = ("baselines", "--import", str(own_file), "--only", "mine", "--budget", "0", "--metric", "auc")
    assert trained(*words).code == 0
    forget_imports()
    own_file.write_text(OWN_BASELINE + "    search = {}\n")
    assert trained(*words).code == 0
    digests = {record.key.digest for record, _ in Store(results_home()).runs() if record.key.loss == "mine"}
    assert len(digests) == 2


def test_eval_leaves_a_baseline_alone_whose_file_is_not_imported(trained: Run, own_file: Path) -> None:
    words = ("baselines", "--import", str(own_file), "--only", "mine", "--budget", "0", "--metric", "auc")
    assert trained(*words).code == 0
    forget_imports()
    told = trained("eval", "--metric", "auc", "--metric", "recall@5")
    assert told.code == 0 and "no baseline is added" not in told.err and "error" not in told.err
    told = trained("eval", "--run", "mine", "--metric", "gauc")
    assert told.code == 2 and f"add --import {own_file}, or --trust" in told.err.replace("\n", " ")
    assert trained("leaderboard").code == 0
    assert trained("eval", "--run", "mine", "--metric", "gauc", "--import", str(own_file)).code == 0


def test_metrics_that_need_more_than_scores(trained: Run) -> None:
    told = trained("eval", "--metric", "logloss", "--metric", "auc")
    assert told.code == 0 and "popularity is not" not in told.err
    told = trained("baselines", "--budget", "0", "--metric", "logloss", "--metric", "auc")
    assert told.code == 0 and "note: logloss left out: baselines give scores alone" in told.err
    told = trained("eval", "--metric", "logloss")
    assert told.code == 0 and "error" not in told.err and "hint" not in told.err
    told = trained("baselines", "--budget", "0", "--metric", "logloss")
    assert told.code == 2 and "choose auc instead" in told.err


@pytest.mark.usefixtures("no_library")
def test_without_the_library(trained: Run) -> None:
    assert trained("eval", *METRICS).code == 0
    told = trained("baselines", "--budget", "0", *METRICS, "--json")
    assert told.code == 0 and {row["loss"] for row in told.json} == {"popularity", "bspm", "ease", "gf-cf"}
    assert told.err.splitlines()[-1] == (
        "note: ials, item-knn, rp3beta, slim, user-knn left out: implicit is not installed; "
        "run `pip install 'recbench[baselines]'`"
    )
    told = trained("baselines", "--budget", "0", "--only", "ials")
    assert told.code == 2 and told.err.splitlines()[-1].startswith("error: ials left out: implicit is not installed")
    assert "pip install" in trained("list", "baselines").out


def test_without_the_memory(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline_search, "available", lambda: 1 << 20)
    words = ("--metric", "auc", "--only", "popularity,ials", "--set", "ials.factors=10000", "--json")
    told = prepared("baselines", "--budget", "0", *words)
    assert told.code == 0 and {row["loss"] for row in told.json} == {"popularity"}
    assert "note: ials left out: it takes about" in told.err and "lower ials.factors with --set" in told.err


def test_much_memory_is_said_before_it_is_taken(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_baselines, "WORTH_SAYING", 1 << 10)
    told = prepared("baselines", "--budget", "0", "--only", "ease", "--metric", "auc/view")
    assert told.code == 0 and "ease takes about 0.0 GiB of memory" in told.err
    monkeypatch.setattr(baseline_search, "available", lambda: 1 << 10)
    told = prepared("baselines", "--only", "ease", "--metric", "auc/view")
    assert told.code == 2 and "more than half of the memory (0.0 GiB); take the most frequent items alone" in told.err


def test_users_that_are_new(run: Run, tmp_path: Path) -> None:
    facsimile.write("amazon-books", tmp_path / "raw", 8000)
    assert run("prepare", "amazon-books", "--raw", str(tmp_path / "raw")).code == 0
    told = run("baselines", "--budget", "0", "--metric", "recall@50", "--json")
    assert told.code == 0, told.err
    values = {row["loss"]: row["value"] for row in told.json}
    assert values.keys() == NAMES and len(set(values.values())) > 3
    assert all("history=first 80%" in row["signature"] for row in told.json)


def test_a_baseline_that_cannot_score_new_users_is_left_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BASELINES.get("item-knn"), "scores_new_users", False)
    facsimile.write("amazon-books", tmp_path / "raw", 8000)
    assert run("prepare", "amazon-books", "--raw", str(tmp_path / "raw")).code == 0
    told = run("baselines", "--budget", "0", "--only", "item-knn,popularity", "--metric", "recall@50", "--json")
    assert {row["loss"] for row in told.json} == {"popularity"}
    assert "note: item-knn left out: it cannot score users that have no training rows" in told.err


def test_what_other_commands_do_with_them(trained: Run, tmp_path: Path) -> None:
    trained("eval", *METRICS)
    runs = {row["loss"]: row["run"] for row in trained("baselines", "--budget", "0", *METRICS, "--json").json}
    told = trained("compare", "popularity", "bce", "ials/baseline", "--metric", "recall@5/view")
    assert told.code == 0 and "popularity (baseline)" in told.out
    assert trained("rescore", "--run", runs["ials"], "--metric", "ndcg@5").code == 0
    assert "auc" in trained("card", "--run", runs["popularity"]).out
    told = trained("rescore", "--run", runs["item-knn"], "--metric", "ndcg@5")
    assert told.code == 2 and "run `recbench eval`" in told.err
    assert trained("eval", "--run", runs["item-knn"], "--metric", "ndcg@5").code == 0
    assert "bce × mf" in trained("show").out  # the last run is the last trained one
    assert "item-knn.k: 200" in trained("show", runs["item-knn"]).out
    for words in (("export", runs["ials"], "-o", str(tmp_path / "x")), ("plot", "angles", "--run", runs["ials"])):
        told = trained(*words)
        assert told.code == 2 and "of the baseline `ials`" in told.err and told.err.count("\n") == 1
    packed = tmp_path / "packed.json"
    assert trained("pack", runs["ials"], "-o", str(packed)).code == 0
    told = trained("replay", str(packed), "--json")
    assert told.code == 0 and {line["difference"] for line in told.json} == {0.0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "popularty"), "unknown baseline `popularty`; did you mean `popularity`"),
        (("--set", "item-knn.kk=3"), "unknown setting `kk` of item-knn; did you mean `k`"),
        (("--set", "itemknn.k=3"), "unknown owner `itemknn` of a setting; did you mean `item-knn`"),
        (("--set", "item-knn.k=0"), "item-knn.k=0: expected at least 1"),
        (("--set", "ials.alpha=0.5"), "ials.alpha=0.5: expected at least 1"),
        (("--set", "ials.factors=many"), "ials.factors=many: expected a whole number"),
        (("--set", "train.epochs=3"), "unknown setting `epochs` of train"),
        (("--feedback", "veiw"), "unknown feedback `veiw` of synthetic; did you mean `view`"),
        (("--feedback", "view", "--metric", "auc/buy"), "unknown feedback `buy` of these baselines"),
        (("--metric", "acu"), "unknown metric `acu`; did you mean `auc`"),
        (("--dataset", "ml-1m"), "ml-1m is not prepared"),
        (("--seeds", "0"), "--seeds"),
    ],
    ids=" ".join,
)
def test_wrong_input(prepared: Run, words: tuple[str, ...], message: str) -> None:
    told = prepared("baselines", "--budget", "0", *words)
    assert told.code == 2
    assert message in told.err and told.err.startswith("error: ") and len(told.err.splitlines()) == 1
    assert not results_home().exists()
